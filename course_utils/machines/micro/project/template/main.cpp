// The self-test on a computer, or on an emulated board: see CMakeLists.txt.
#include <stdio.h>

#include "@{name}/network.h"
#include "@{name}/self_test.h"

#ifdef CORTEX_M
unsigned long micros();  // of cortex_m.cpp
#else
#include <chrono>

static unsigned long micros() {
  using namespace std::chrono;
  const auto now = steady_clock::now().time_since_epoch();
  return static_cast<unsigned long>(duration_cast<microseconds>(now).count());
}
#endif

using namespace @{name}_network;

int main() {
  if (const char* problem = Begin()) {
    printf("%s\nFAIL\n", problem);
    return 1;
  }
  return SelfTest([](const char* line) { puts(line); }, micros) ? 0 : 1;
}
