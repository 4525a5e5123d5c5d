// Stand-in, see README.md.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>

// Macros and names of Arduino's cores that a sketch's own names could run into.
#define HIGH 0x1
#define LOW 0x0
#define INPUT 0x0
#define OUTPUT 0x1
#define PI 3.1415926535897932384626433832795
#define DEFAULT 1
#define F(text) (text)
#define sq(x) ((x) * (x))
#define bit(b) (1UL << (b))
#define constrain(x, low, high) ((x) < (low) ? (low) : ((x) > (high) ? (high) : (x)))
typedef uint8_t byte;
typedef bool boolean;

unsigned long millis();
unsigned long micros();
void delay(unsigned long milliseconds);

class SerialClass {
 public:
  void begin(unsigned long) {}
  explicit operator bool() const { return true; }
  size_t print(const char* text) { return Say("%s", text); }
  size_t print(char letter) { return Say("%c", letter); }
  size_t print(int number) { return Say("%d", number); }
  size_t print(unsigned int number) { return Say("%u", number); }
  size_t print(long number) { return Say("%ld", number); }
  size_t print(unsigned long number) { return Say("%lu", number); }
  size_t print(double number, int digits = 2) { return Say("%.*f", digits, number); }
  template <typename... T>
  size_t println(T... what) {
    return print(what...) + print('\n');
  }

 private:
  template <typename... T>
  size_t Say(const char* format, T... what) {
    return static_cast<size_t>(std::printf(format, what...));
  }
};
extern SerialClass Serial;

void setup();
void loop();
