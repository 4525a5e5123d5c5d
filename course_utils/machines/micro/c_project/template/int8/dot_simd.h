/* dot() with the SIMD instructions of a Cortex-M4 or M7: two products at a time, and two output
   channels at a time, so that an input is fetched and widened once for both.

   SXTB16 takes bytes 0 and 2 of a word and makes two int16 of them; after a rotation by 8 bits it
   takes bytes 1 and 3. SXTAB16 adds two int16 on top, here minus the zero point to both. SMLAD
   multiplies two pairs and adds both products. The sums are those of the plain loop. */
static inline uint32_t four_bytes(const int8_t *p) {
  uint32_t word;
  __builtin_memcpy(&word, p, 4); /* one LDR, at any address: these processors allow that */
  return word;
}

static inline int32_t add_four(int32_t sum, uint32_t x_even, uint32_t x_odd, uint32_t w) {
  uint32_t w_even, w_odd;
  __asm__("sxtb16 %0, %1" : "=r"(w_even) : "r"(w));
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(w_odd) : "r"(w));
  __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(x_even), "r"(w_even));
  __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(x_odd), "r"(w_odd));
  return sum;
}

static inline void dot_two(int32_t sums[2], const int8_t *x, const int8_t *w, const int8_t *w_two,
                           int count, int zero_point) {
  const uint32_t half = (uint32_t)-zero_point & 0xFFFF, minus_zero_points = half | half << 16;
  int32_t one = sums[0], two = sums[1];
  for (const int8_t *end = x + (count & ~3); x != end; x += 4, w += 4, w_two += 4) {
    const uint32_t four = four_bytes(x);
    uint32_t x_even, x_odd;
    __asm__("sxtab16 %0, %1, %2" : "=r"(x_even) : "r"(minus_zero_points), "r"(four));
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(x_odd) : "r"(minus_zero_points), "r"(four));
    one = add_four(one, x_even, x_odd, four_bytes(w));
    two = add_four(two, x_even, x_odd, four_bytes(w_two));
  }
  for (const int8_t *end = x + (count & 3); x != end; ++x, ++w, ++w_two) {
    one += (x[0] - zero_point) * w[0];
    two += (x[0] - zero_point) * w_two[0];
  }
  sums[0] = one;
  sums[1] = two;
}
