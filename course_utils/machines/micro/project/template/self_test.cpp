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

// How far an output is off: codes, or for a network of real numbers millionths.
constexpr bool kCodes = kTolerance == 0;
constexpr const char* kUnit = kCodes ? "" : "e-6";

float Difference(OutputCode found, OutputCode expected) {
  return fabsf(static_cast<float>(found) - static_cast<float>(expected));
}

bool Equal(OutputCode found, OutputCode expected) {
  const float size = fabsf(static_cast<float>(expected));
  return Difference(found, expected) <= kTolerance * (size > 1 ? size : 1);
}

// The difference as a whole number, since a board's snprintf may know no others.
long Units(float difference) {
  const float units = kCodes ? difference : difference * 1e6f;
  return units < 1e9f ? lroundf(units) : 1000000000;  // that much or more; NaN is, too
}

int Largest(const OutputCode* output) {
  int best = 0;
  for (int i = 1; i < kOutputSize; ++i) {
    if (output[i] > output[best]) best = i;
  }
  return best;
}

}  // namespace

bool SelfTest(void (*print)(const char* line), unsigned long (*microseconds)()) {
  char line[160];
  snprintf(line, sizeof(line), "%u of %u bytes of the arena used",
           static_cast<unsigned int>(ArenaUsed()), static_cast<unsigned int>(kArenaSize));
  print(line);
  snprintf(line, sizeof(line), "kArenaSize may be made as small as %u",
           static_cast<unsigned int>(ArenaEnough()));
  print(line);
  bool passed = true;
  unsigned long time = 0;
  for (int n = 0; n < kGoldenCount; ++n) {
    InputCode* input = Input();
    for (int i = 0; i < kInputSize; ++i) input[i] = Quantize(kGoldenInputs[n][i]);
    const bool quantized = Checksum(input) == kGoldenChecksums[n];
    const unsigned long begin = microseconds();
    const bool ran = Invoke();
    time += microseconds() - begin;
    const OutputCode* output = Output();
    int different = 0;
    int worst = 0;
    long furthest = 0;
    for (int i = 0; i < kOutputSize; ++i) {
      const OutputCode expected = kGoldenOutputs[n][i];
      if (!Equal(output[i], expected)) ++different;
      const long units = Units(Difference(output[i], expected));
      if (units > furthest) {
        furthest = units;
        worst = i;
      }
    }
    if (!ran) {
      snprintf(line, sizeof(line), "golden input %d: the network did not run", n);
    } else if (!quantized) {
      snprintf(line, sizeof(line), "golden input %d: its codes are not the expected ones", n);
    } else if (furthest == 0) {
      snprintf(line, sizeof(line), "golden input %d: 0 of %d outputs differ, largest is %d", n,
               kOutputSize, Largest(output));
    } else {
      snprintf(line, sizeof(line),
               "golden input %d: %d of %d outputs differ, most by %ld%s (output %d), largest is %d",
               n, different, kOutputSize, furthest, kUnit, worst, Largest(output));
    }
    print(line);
    passed = passed && ran && quantized && different == 0;
  }
  snprintf(line, sizeof(line), "%lu microseconds for an inference", time / kGoldenCount);
  print(line);
  print(passed ? "PASS" : "FAIL");
  return passed;
}

}  // namespace @{name}_network
