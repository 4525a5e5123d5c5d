#include "self_test.h"

#include <math.h>
#include <stdio.h>

#include "golden.h"
#include "network.h"

namespace @{name}_network {
namespace {

// FNV-1a, 32 bits, over the bytes of the input's codes (the lowest byte of a code first).
uint32_t Checksum(const InputCode* codes) {
  const unsigned char* bytes = reinterpret_cast<const unsigned char*>(codes);
  uint32_t sum = 2166136261u;
  for (unsigned int i = 0; i < kInputSize * sizeof(InputCode); ++i) {
    sum = (sum ^ bytes[i]) * 16777619u;
  }
  return sum;
}

bool Equal(OutputCode found, OutputCode expected) {
  const float size = fabsf(static_cast<float>(expected));
  const float difference = fabsf(static_cast<float>(found) - static_cast<float>(expected));
  return difference <= kTolerance * (size > 1 ? size : 1);
}

int Largest(const OutputCode* output) {
  int best = 0;
  for (int i = 1; i < kOutputSize; ++i) {
    if (output[i] > output[best]) best = i;
  }
  return best;
}

}  // namespace

bool SelfTest(void (*print)(const char* line)) {
  char line[96];
  bool passed = true;
  for (int n = 0; n < kGoldenCount; ++n) {
    InputCode* input = Input();
    for (int i = 0; i < kInputSize; ++i) input[i] = Quantize(kGoldenInputs[n][i]);
    const bool quantized = Checksum(input) == kGoldenChecksums[n];
    const bool ran = Invoke();
    const OutputCode* output = Output();
    int different = 0;
    for (int i = 0; i < kOutputSize; ++i) {
      if (!Equal(output[i], kGoldenOutputs[n][i])) ++different;
    }
    if (!ran) {
      snprintf(line, sizeof(line), "golden input %d: the network did not run", n);
    } else if (!quantized) {
      snprintf(line, sizeof(line), "golden input %d: its codes are not the expected ones", n);
    } else {
      snprintf(line, sizeof(line), "golden input %d: %d of %d outputs differ, largest is %d", n,
               different, kOutputSize, Largest(output));
    }
    print(line);
    passed = passed && ran && quantized && different == 0;
  }
  print(passed ? "PASS" : "FAIL");
  return passed;
}

}  // namespace @{name}_network
