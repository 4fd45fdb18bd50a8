/* Averages of four samples, for the 13 Hz configurations and for thinning. A group is the samples 4 k ... 4 k + 3 of a boot: all
 * averages of the same data are then the same, whoever made them and when. */
#ifndef LPS_AVERAGE_H
#define LPS_AVERAGE_H

#include "lps_codec.h"

#define LPS_DECIMATION 4

/* All zero: empty. */
typedef struct {
    int32_t sum[LPS_CHANNELS];
    uint8_t n;
} lps_average;

/* Adds the sample with this index. true when it completes its group: out is then the average, halves rounded up. A group of
 * which a sample is missing gives nothing. */
bool lps_average_add(lps_average *average, uint32_t index, const int16_t *sample, int16_t *out);

#endif
