// Stand-in, see README.md. Acceleration in g, rotation in degrees per second.
#pragma once

class LSM9DS1Class {
 public:
  int begin();
  int accelerationAvailable();
  int gyroscopeAvailable();
  int readAcceleration(float& x, float& y, float& z);
  int readGyroscope(float& x, float& y, float& z);
  float accelerationSampleRate();
};
extern LSM9DS1Class IMU;
