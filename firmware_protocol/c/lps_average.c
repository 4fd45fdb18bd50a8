#include "lps_average.h"

/* Keeps the sum positive, so that the division rounds the same way on every machine. */
enum { OFFSET = 32768 };

static int16_t quarter(int32_t sum) {
    return (int16_t)((sum + LPS_DECIMATION * OFFSET + LPS_DECIMATION / 2) / LPS_DECIMATION - OFFSET);
}

bool lps_average_add(lps_average *average, uint32_t index, const int16_t *sample, int16_t *out) {
    const uint8_t place = (uint8_t)(index % LPS_DECIMATION);
    if (place == 0) {
        *average = (lps_average){{0}, 0};
    }
    if (average->n != place) {
        average->n = LPS_DECIMATION; /* a sample is missing: no place fits until the next group */
        return false;
    }
    for (int channel = 0; channel < LPS_CHANNELS; channel++) {
        average->sum[channel] += sample[channel];
    }
    average->n++;
    if (average->n < LPS_DECIMATION) {
        return false;
    }
    for (int channel = 0; channel < LPS_CHANNELS; channel++) {
        out[channel] = quarter(average->sum[channel]);
    }
    return true;
}
