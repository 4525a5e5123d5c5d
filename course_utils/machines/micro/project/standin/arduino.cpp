// Runs a sketch on a computer: the clock stands still but for the sensor's readings, see README.md.
// Each line of the file in STANDIN_IMU: microseconds, ax, ay, az, wx, wy, wz.
#include "Arduino.h"

#include <cstdlib>

#include "Arduino_LSM9DS1.h"
#include "tensorflow/lite/micro/debug_log.h"

namespace {
FILE* readings = nullptr;
unsigned long now = 0;
float acceleration[3], rotation[3];
bool more = true;
}  // namespace

void DebugLog(const char* format, va_list args) { std::vprintf(format, args); }  // the library's

SerialClass Serial;
LSM9DS1Class IMU;

unsigned long millis() { return now / 1000; }
unsigned long micros() { return now; }
void delay(unsigned long milliseconds) { now += 1000 * milliseconds; }

int LSM9DS1Class::begin() {
  readings = std::fopen(std::getenv("STANDIN_IMU"), "r");
  return readings != nullptr;
}
int LSM9DS1Class::accelerationAvailable() {
  more = std::fscanf(readings, "%lu %f %f %f %f %f %f", &now, &acceleration[0], &acceleration[1],
                     &acceleration[2], &rotation[0], &rotation[1], &rotation[2]) == 7;
  return more;
}
int LSM9DS1Class::gyroscopeAvailable() { return more; }
int LSM9DS1Class::readAcceleration(float& x, float& y, float& z) {
  x = acceleration[0], y = acceleration[1], z = acceleration[2];
  return 1;
}
int LSM9DS1Class::readGyroscope(float& x, float& y, float& z) {
  x = rotation[0], y = rotation[1], z = rotation[2];
  return 1;
}
float LSM9DS1Class::accelerationSampleRate() { return 119.0f; }

int main() {
  setup();
  do {
    loop();
  } while (readings && more);
}
