// Says over serial (115200 baud) whether the network answers as it should, PASS or FAIL; then
// reads the board's motion sensor and says, each second, which exercise the last two were.
// README.md tells what must be true for that to work.
#include <Arduino_LSM9DS1.h>         // the sensor of the Nano 33 BLE and of the first Sense
#include <Chirale_TensorFlowLite.h>  // the library that holds TFLM; README.md says which

#include "motion.h"
#include "network.h"
#include "self_test.h"

using namespace @{name}_network;

static const char* const kClasses[kOutputSize] = {
@{class_names}
};

static void PrintLine(const char* line) { Serial.println(line); }
static unsigned long Clock() { return micros(); }

static Windows windows;
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
  if (!SelfTest(PrintLine, Clock)) return;

  if (!IMU.begin()) {
    Serial.println("No LSM9DS1 found. A Rev2 board has a BMI270: see README.md.");
    return;
  }
  Serial.print("The sensor's own rate: ");
  Serial.print(IMU.accelerationSampleRate());
  Serial.println(" Hz");
  ready = true;
}

void loop() {
  if (!ready || !IMU.accelerationAvailable() || !IMU.gyroscopeAvailable()) return;
  float ax, ay, az, wx, wy, wz;
  if (!IMU.readAcceleration(ax, ay, az) || !IMU.readGyroscope(wx, wy, wz)) return;
  if (!windows.Add(FromBoard(ax, ay, az, wx, wy, wz), micros())) return;

  float output[kOutputSize];
  const unsigned long begin = micros();
  const bool ran = Run(windows.Standardised(), output);
  const unsigned long microseconds = micros() - begin;
  if (!ran) {
    Serial.println("the network did not run");
    return;
  }
  int best = 0;
  for (int i = 1; i < kOutputSize; ++i) {
    if (output[i] > output[best]) best = i;
  }
  Serial.print(kClasses[best]);
  Serial.print(' ');
  Serial.print(100 * output[best], 0);
  // Compare the mean acceleration with README.md to see whether the board is mounted as the watch.
  Serial.print(" %   mean ax ay az: ");
  for (int channel = 0; channel < 3; ++channel) {
    Serial.print(windows.Mean(channel), 2);
    Serial.print(' ');
  }
  Serial.print("g, in ");
  Serial.print(microseconds);
  Serial.println(" microseconds");
}
