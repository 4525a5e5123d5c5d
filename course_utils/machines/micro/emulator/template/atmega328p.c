/* The network on an ATmega328P that simavr emulates: runs the inputs one by one, and prints for
   each what the network answered and how deep its stack was. When it begins and ends is written to
   a register whose changes simavr records with their time. Bytes of this file are not counted. */
#include <avr/io.h>
#include <avr/sleep.h>
#include <stdint.h>

#include "inputs.h"
#include "network.h"

#define HARNESS __attribute__((section(".text.harness"), noinline, used))
#define PAINT 0xA5

/* What simavr reads of the program (its avr_mcu_section.h): tag, length, value, one after another.
   The chip and its clock, the register that prints, the file and the register that it records. */
#define PACKED __attribute__((__packed__))
struct PACKED number { uint8_t tag, length; uint32_t value; };
struct PACKED address { uint8_t tag, length; const volatile void *what; };
struct PACKED text { uint8_t tag, length; char text[64]; };
struct PACKED trace { uint8_t tag, length, mask; const volatile void *what; char name[32]; };
const struct PACKED {
  struct text chip;
  struct number clock;
  struct address console;
  struct text file;
  struct number period;
  struct trace trace;
} harness_told __attribute__((section(".mmcu"), used)) = {
    {1, 64, "atmega328p"}, {2, 4, F_CPU}, {11, 2, &GPIOR0}, {12, 64, "times.vcd"}, {13, 4, 1},
    {14, 35, 0xFF, &GPIOR1, "running"},
};

extern uint8_t __heap_start[];

HARNESS static void say_hex(uint8_t byte) {
  for (int8_t shift = 4; shift >= 0; shift -= 4) {
    const uint8_t digit = byte >> shift & 15;
    GPIOR0 = digit < 10 ? '0' + digit : 'a' + digit - 10;
  }
}

HARNESS static void say(char kind) {
  GPIOR0 = kind;
  GPIOR0 = ' ';
}

HARNESS static void nothing(int number) { (void)number; }

HARNESS static void timed(void (*function)(int), int number, uint8_t mark) {
  GPIOR1 = mark;
  function(number);
  GPIOR1 = 0;
}

HARNESS static void write_input(int n) {
  for (uint16_t i = 0; i < INPUT_SIZE * sizeof(Number); ++i) {
    ((uint8_t *)network_input())[i] =
        pgm_read_byte(harness_bytes.bytes + n * (INPUT_SIZE * sizeof(Number)) + i);
  }
}

HARNESS int main(void) {
  for (int n = 0; n < INPUT_COUNT; ++n) {
    write_input(n);
    uint8_t *here = (uint8_t *)SP;
    for (uint8_t *p = __heap_start; p < here - 8; ++p) *p = PAINT;
    timed(nothing, 0, 2);
    timed((void (*)(int))network_run, 0, 1);
    uint8_t *deepest = __heap_start;
    while (deepest < here && *deepest == PAINT) ++deepest;
    say('O');
    for (uint16_t i = 0; i < OUTPUT_SIZE * sizeof(Number); ++i) {
      say_hex(((const uint8_t *)network_output())[i]);
    }
    GPIOR0 = '\r';
    say('S');
    const uint16_t depth = here - deepest, free = deepest - __heap_start;
    say_hex(depth >> 8);
    say_hex(depth & 0xFF);
    GPIOR0 = '\r';
    say('R');
    say_hex(free >> 8);
    say_hex(free & 0xFF);
    GPIOR0 = '\r';
  }
  write_input(0);
  for (int number = 0; number < LAYER_COUNT; ++number) timed(network_layer, number, 3);
  __asm volatile("cli");
  sleep_enable();
  sleep_cpu();
  return 0;
}
