/* From reset to the network and back, on a Cortex-M that QEMU emulates: runs the inputs one by one,
   and prints for each what the network answered, how many ticks it took and how deep its stack
   was. All that is in here is in sections of its own, which are not counted. */
#include <stdint.h>

#include "inputs.h"
#include "network.h"

#define HARNESS __attribute__((section(".harness"), noinline, used))
#define PAINT 0x5AFE57ACu

extern uint32_t data_begin[], data_end[], bss_begin[], bss_end[], stack_begin[], stack_end[];
extern uint32_t handlers_stack[];
extern const uint32_t data_in_flash[];

/* --- Output, through the debugger that QEMU plays (semihosting) */

HARNESS static uint32_t ask(uint32_t what, const void *with) {
  register uint32_t r0 __asm__("r0") = what;
  register const void *r1 __asm__("r1") = with;
  __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

static char line[2 * OUTPUT_SIZE * sizeof(Number) + 8] __attribute__((section(".harness_bss")));

HARNESS static char *hex(char *to, uint32_t value, int digits) {
  while (digits-- > 0) {
    const uint32_t digit = value >> (4 * digits) & 15;
    *to++ = (char)(digit < 10 ? '0' + digit : 'a' + digit - 10);
  }
  return to;
}

HARNESS static void say(char kind, uint32_t value) {
  char text[12];
  char *end = text;
  *end++ = kind;
  *end++ = ' ';
  end = hex(end, value, 8);
  *end++ = '\n';
  *end = 0;
  ask(4, text);
}

HARNESS static void leave(void) { ask(0x18, (const void *)0x20026); }

/* --- The clock, and a second one that ends what takes too long. QEMU's clock moves on by 256 ns an
   instruction; these count every 40 ns (MPS2) or 62.5 ns (micro:bit): the number is exact. */

static volatile uint32_t *at(uint32_t address) { return (volatile uint32_t *)address; }

#ifdef MICROBIT
HARNESS static void start_clocks(void) {
  for (uint32_t timer = 0x40008000; timer <= 0x40009000; timer += 0x1000) {
    *at(timer + 0x508) = 3; /* 32 bits */
    *at(timer + 0x510) = 0; /* 16 MHz */
    *at(timer + 0x540) = LIMIT_TICKS;
    *at(timer + 0x000) = 1;
  }
  *at(0x40009304) = 1 << 16; /* interrupt where timer 1 reaches the limit */
  *at(0xE000E100) = 1 << 9;
}
HARNESS static void guard_stack(void) {} /* there is no memory below it */
HARNESS static uint32_t now(void) {
  *at(0x40008044) = 1;
  return *at(0x40008544);
}
#else
HARNESS static void start_clocks(void) {
  *at(0x40000008) = *at(0x40000004) = 0xFFFFFFFF; /* counts down */
  *at(0x40000000) = 1;
  *at(0x40001008) = *at(0x40001004) = LIMIT_TICKS;
  *at(0x40001000) = 9; /* with interrupt */
  *at(0xE000E100) = 1 << 9;
}
/* The memory protection unit forbids 4,096 bytes below the stack, a page of QEMU. */
HARNESS static void guard_stack(void) {
  *at(0xE000ED98) = 0;
  *at(0xE000ED9C) = 0x20000000;
  *at(0xE000EDA0) = 1 << 28 | 11 << 1 | 1;
  *at(0xE000ED94) = 5;
  __asm volatile("dsb\n isb");
}
HARNESS static uint32_t now(void) { return ~*at(0x40000004); }
#endif

/* --- The network */

/* One instruction: its return. */
__attribute__((section(".harness"), naked, used)) static void nothing(int number) {
  __asm volatile("bx lr");
}

HARNESS static uint32_t ticks_of(void (*function)(int), int number) {
  const uint32_t before = now();
  function(number);
  return now() - before;
}

HARNESS static void write_input(int n) {
  for (int i = 0; i < INPUT_SIZE; ++i) network_input()[i] = harness_inputs[n * INPUT_SIZE + i];
}

HARNESS static void run_all(void) {
  const uint32_t none = ticks_of(nothing, 0);
  for (int n = 0; n < INPUT_COUNT; ++n) {
    write_input(n);
    uint32_t *here;
    __asm volatile("mov %0, sp" : "=r"(here));
    for (uint32_t *p = stack_begin; p < here - 16; ++p) *p = PAINT;
    const uint32_t ticks = ticks_of((void (*)(int))network_run, 0);
    uint32_t *deepest = stack_begin;
    while (deepest < here && *deepest == PAINT) ++deepest;
    const uint8_t *output = (const uint8_t *)network_output();
    char *end = line;
    *end++ = 'O';
    *end++ = ' ';
    for (unsigned i = 0; i < OUTPUT_SIZE * sizeof(Number); ++i) end = hex(end, output[i], 2);
    *end++ = '\n';
    *end = 0;
    ask(4, line);
    say('T', ticks - none);
    say('S', (uint32_t)((uint8_t *)here - (uint8_t *)deepest));
  }
  write_input(0);
  for (int number = 0; number < LAYER_COUNT; ++number) {
    say('Y', ticks_of(network_layer, number) - none);
  }
  leave();
}

/* --- Start and faults */

HARNESS void harness_main(void) {
#ifdef __ARM_FP
  *at(0xE000ED88) |= 0xF << 20; /* the floating-point unit is on */
  __asm volatile("dsb\n isb");
#endif
  for (uint32_t *to = data_begin; to < data_end; ++to) *to = data_in_flash[to - data_begin];
  for (uint32_t *to = bss_begin; to < bss_end; ++to) *to = 0;
  start_clocks();
  guard_stack();
  /* The network's stack is its own; handlers keep the main one. */
  __asm volatile("msr psp, %0\n movs r0, #2\n msr control, r0\n isb" : : "r"(stack_end) : "r0");
  run_all();
}

HARNESS void harness_start(void) { harness_main(); }

HARNESS static void fault(void) {
  uint32_t *frame;
  __asm volatile("mrs %0, psp" : "=r"(frame));
  say('P', (uint32_t)frame);
#ifndef __ARM_ARCH_6M__
  say('F', *at(0xE000ED28)); /* CFSR: what kind of fault; the Cortex-M0 has none */
  say('A', *at(0xE000ED38)); /* BFAR: where */
#endif
  say('H', 0);
  leave();
}

HARNESS static void limit(void) {
  say('L', 0);
  leave();
}

__attribute__((section(".harness_vectors"), used)) static const void *const vectors[16 + 10] = {
    handlers_stack, (void *)harness_start, (void *)fault, (void *)fault,
    (void *)fault,  (void *)fault,         (void *)fault, [16 + 9] = (void *)limit};

/* What compilers call for copies: the network's own, and counted. */
void *memcpy(void *to, const void *from, __SIZE_TYPE__ size) {
  uint8_t *t = to;
  const uint8_t *f = from;
  if ((((uintptr_t)t | (uintptr_t)f) & 3) == 0) {
    for (; size >= 4; size -= 4, t += 4, f += 4) {
      *(uint32_t *)(void *)t = *(const uint32_t *)(const void *)f;
    }
  }
  while (size--) *t++ = *f++;
  return to;
}

void *memset(void *to, int value, __SIZE_TYPE__ size) {
  uint8_t *t = to;
  while (size--) *t++ = (uint8_t)value;
  return to;
}
