#include "motion.h"

#include <string.h>

namespace @{name}_network {
namespace {

constexpr uint32_t kPeriod = 20000;       // microseconds: 50 Hz
constexpr uint32_t kLongestGap = 100000;  // microseconds
constexpr float kRadiansPerDegree = 0.017453293f;

}  // namespace

Reading FromBoard(float ax, float ay, float az, float wx, float wy, float wz) {
  const float acceleration[3] = {ax, ay, az};
  const float rotation[3] = {wx, wy, wz};
  Reading reading;
  for (int i = 0; i < 3; ++i) {
    // At rest the data's accelerometer points down, as a smartwatch's does, and the board's points
    // up: the force that holds it. Hence the minus.
    reading.value[i] = -kDirection[i] * acceleration[kAxis[i]];
    reading.value[3 + i] = kDirection[i] * rotation[kAxis[i]] * kRadiansPerDegree;
  }
  return reading;
}

bool Windows::Add(const Reading& reading, uint32_t microseconds) {
  // Differences of unsigned times are right even when micros() starts again at 0.
  const uint32_t elapsed = microseconds - previous_time_;
  bool full = false;
  if (!begun_ || elapsed > kLongestGap) {
    begun_ = true;
    count_ = 0;
    next_time_ = microseconds + kPeriod;
    memcpy(samples_[count_++], reading.value, sizeof(reading.value));
  } else {
    while (next_time_ - previous_time_ <= elapsed) {
      if (count_ == kWindow) {  // keep what the next window shares with this one
        memmove(samples_[0], samples_[kStep], (kWindow - kStep) * sizeof(samples_[0]));
        count_ = kWindow - kStep;
      }
      const float part = static_cast<float>(next_time_ - previous_time_) / elapsed;
      for (int i = 0; i < kChannels; ++i) {
        const float before = previous_.value[i];
        samples_[count_][i] = before + part * (reading.value[i] - before);
      }
      if (++count_ == kWindow) {
        Finish();
        full = true;
      }
      next_time_ += kPeriod;
    }
  }
  previous_ = reading;
  previous_time_ = microseconds;
  return full;
}

void Windows::Finish() {
  for (int i = 0; i < kChannels; ++i) {
    float sum = 0;
    for (int n = 0; n < kWindow; ++n) {
      standardised_[n * kChannels + i] = (samples_[n][i] - kMean[i]) / kStd[i];
      sum += samples_[n][i];
    }
    mean_[i] = sum / kWindow;
  }
}

}  // namespace @{name}_network
