/* The self-test: the outputs of known inputs against what they must be, then PASS or FAIL.

   cc -std=c99 -O2 *.c -o self_test && ./self_test
*/
#include <stdio.h>

#include "golden.h"

int main(void) {
  int failed = 0;
  for (int n = 0; n < GOLDEN_COUNT; ++n) {
    Number *input = network_input();
    for (int i = 0; i < INPUT_SIZE; ++i) input[i] = @{read}(&golden_inputs[n][i]);
    network_run();
    const Number *output = network_output();
    int differing = 0, at = 0;
    double most = 0;
    for (int i = 0; i < OUTPUT_SIZE; ++i) {
      const double by = (double)output[i] - (double)@{read}(&golden_outputs[n][i]);
      const double distance = by < 0 ? -by : by;
      if (!(distance <= TOLERANCE)) ++differing;
      if (distance > most) most = distance, at = i;
    }
    printf("golden input %d: %d of %d outputs differ, most by %g (output %d)\n", n, differing,
           OUTPUT_SIZE, most, at);
    failed += differing > 0;
  }
  puts(failed ? "FAIL" : "PASS");
  return failed > 0;
}
