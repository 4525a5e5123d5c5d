// From reset to main() on an emulated Cortex-M (cortex_m.ld says which), and a clock.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern "C" {
extern char data_begin[], data_end[], bss_begin[], bss_end[], stack_top[];
extern const char data_in_flash[];
extern void (*const initializers[])();
extern void (*const initializers_end[])();
void initialise_monitor_handles();  // newlib's: opens standard output through the debugger
int main();
}

namespace {

volatile uint32_t& Register(uint32_t address) {
  return *reinterpret_cast<volatile uint32_t*>(address);
}

}  // namespace

extern "C" void Start() {
#ifdef __ARM_FP
  Register(0xE000ED88) |= 0xF << 20;  // CPACR: the floating-point unit is on
  __asm volatile("dsb\n isb");
#endif
  memcpy(data_begin, data_in_flash, data_end - data_begin);
  memset(bss_begin, 0, bss_end - bss_begin);
  Register(0xE000E014) = 0xFFFFFF;  // SysTick counts down from here ...
  Register(0xE000E018) = 0;
  Register(0xE000E010) = 1;  // ... on the boards' reference clock of 1 MHz
  initialise_monitor_handles();
  for (auto initializer = initializers; initializer != initializers_end; ++initializer) {
    (*initializer)();
  }
  exit(main());
}

// What the C library's own start-up code would define; destructors are not run here.
extern "C" {
void* __dso_handle = nullptr;
void _fini() {}
}

static void Fault() { abort(); }

// Where the processor finds its stack and what to run: at reset, and at the faults.
__attribute__((section(".vectors"), used)) const void* const vectors[] = {
    stack_top,
    reinterpret_cast<const void*>(Start),
    reinterpret_cast<const void*>(Fault),
    reinterpret_cast<const void*>(Fault),
    reinterpret_cast<const void*>(Fault),
    reinterpret_cast<const void*>(Fault),
    reinterpret_cast<const void*>(Fault),
};

// As Arduino's. SysTick has 24 bits: ask at least every 16 seconds.
unsigned long micros() {
  static uint32_t before = 0xFFFFFF;
  static unsigned long sum = 0;
  const uint32_t now = Register(0xE000E018);
  sum += (before - now) & 0xFFFFFF;
  before = now;
  return sum;
}
