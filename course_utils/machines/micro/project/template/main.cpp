// The self-test on a computer, or on a board whose standard output leads somewhere: see
// CMakeLists.txt. The Arduino sketch does not use this file.
#include <stdio.h>

#include "@{name}/network.h"
#include "@{name}/self_test.h"

int main() {
  if (const char* problem = @{name}_network::Begin()) {
    printf("%s\nFAIL\n", problem);
    return 1;
  }
  printf("%u of %u bytes of the arena used\n",
         static_cast<unsigned int>(@{name}_network::ArenaUsed()),
         static_cast<unsigned int>(@{name}_network::kArenaSize));
  return @{name}_network::SelfTest([](const char* line) { puts(line); }) ? 0 : 1;
}
