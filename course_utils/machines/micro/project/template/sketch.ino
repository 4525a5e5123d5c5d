// Says over serial (115200 baud) whether the network answers as it should, PASS or FAIL, and then
// how long it takes for one input. Put your own input where loop() takes a golden one.
#include <Chirale_TensorFlowLite.h>  // the library that holds TFLM; README.md says which

#include "golden.h"
#include "network.h"
#include "self_test.h"

using namespace @{name}_network;

static void PrintLine(const char* line) { Serial.println(line); }
static unsigned long Clock() { return micros(); }

static bool ready = false;

void setup() {
  Serial.begin(115200);
  while (!Serial && millis() < 5000) {  // a board without a computer starts all the same
  }
  if (const char* problem = Begin()) {
    Serial.println(problem);
    Serial.println("FAIL");
    return;
  }
  ready = SelfTest(PrintLine, Clock);
}

void loop() {
  if (!ready) return;
  const float* input = kGoldenInputs[0];
  float output[kOutputSize];

  const unsigned long begin = micros();
  const bool ran = Run(input, output);
  const unsigned long microseconds = micros() - begin;
  if (!ran) {
    Serial.println("the network did not run");
    return;
  }
  for (int i = 0; i < kOutputSize; ++i) {
    Serial.print(output[i], 3);
    Serial.print(' ');
  }
  Serial.print(" in ");
  Serial.print(microseconds);
  Serial.println(" microseconds");
  delay(2000);
}
