// From a motion sensor's readings to the windows that the network was trained on: 2 s at 50 Hz of
// ax, ay, az in g and wx, wy, wz in radians per second, standardised.
#pragma once

#include <stdint.h>

#include "network.h"

namespace @{name}_network {

constexpr int kChannels = 6;
constexpr int kWindow = @{window};  // samples
constexpr int kStep = @{step};  // samples from one window to the next
static_assert(kWindow * kChannels == kInputSize, "the network takes windows of another size");

// The mean and standard deviation of the training data, in its units.
constexpr float kMean[kChannels] = {
@{mean}
};
constexpr float kStd[kChannels] = {
@{std}
};

// Which axis of the board lies along the watch's x, y and z, and 1 or -1 for its direction.
// The watch's x points to the right of its screen, y to the top, z out of the screen. As below,
// the board is taken to lie in the place of the watch, its axes along the watch's.
constexpr int kAxis[3] = {0, 1, 2};
constexpr float kDirection[3] = {1, 1, 1};

struct Reading {
  float value[kChannels];
};

// A reading of the board's sensor in the data's units, axes and signs.
// ax, ay, az: in g.  wx, wy, wz: in degrees per second.
Reading FromBoard(float ax, float ay, float az, float wx, float wy, float wz);

// Collects readings that come at any rate and makes windows at 50 Hz of them, by linear
// interpolation between the readings before and after each instant.
class Windows {
 public:
  // Takes the reading of that time, in microseconds (as micros() counts them).
  // Returns true when a window has become full; then Standardised and Mean are of that window.
  // After a gap of more than a tenth of a second it begins anew.
  bool Add(const Reading& reading, uint32_t microseconds);

  // The last full window: kWindow samples of kChannels numbers, as the network takes them.
  const float* Standardised() const { return standardised_; }

  // The mean of one channel over that window, in the data's units.
  float Mean(int channel) const { return mean_[channel]; }

 private:
  void Finish();

  float samples_[kWindow][kChannels];
  int count_ = 0;
  bool begun_ = false;
  Reading previous_;
  uint32_t previous_time_ = 0;
  uint32_t next_time_ = 0;  // of the next sample
  float standardised_[kWindow * kChannels];
  float mean_[kChannels];
};

}  // namespace @{name}_network
