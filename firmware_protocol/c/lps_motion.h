/* What the core itself reads from the samples: the bias of the gyroscope, and how long the wearer has been tilted. */
#ifndef LPS_MOTION_H
#define LPS_MOTION_H

#include "lps_codec.h"

/* A running GYRO_CAL. left: samples still to come, 0: not running. tag: of the request that waits for the reply. */
typedef struct {
    uint32_t left;
    uint32_t count;
    uint8_t tag;
    bool disturbed;
    int64_t sum[3];
    int16_t low[LPS_CHANNELS];
    int16_t high[LPS_CHANNELS];
    int32_t acc_span_max;
    int32_t gyr_span_max;
} lps_gyro_cal;

void lps_gyro_cal_begin(lps_gyro_cal *cal, uint8_t tag, uint8_t duration_s, const lps_config *config);
/* true with the last sample: reply is then what to answer. */
bool lps_gyro_cal_add(lps_gyro_cal *cal, const int16_t *sample, lps_gyro_reply *reply);

/* LOCAL_ALERT. angle_deg 0: off. The tilt is judged once a second, on the mean force of that second. */
typedef struct {
    lps_local_alert_args args;
    int64_t sum[3];
    uint32_t count;
    uint32_t tilted_s;
} lps_tilt;

void lps_tilt_begin(lps_tilt *tilt, const lps_local_alert_args *args);
/* Forgets the seconds counted: the host is near, or samples were lost. */
void lps_tilt_reset(lps_tilt *tilt);
/* true when the tilt has lasted hold_s; it then counts anew, so a lasting tilt is told again after another hold_s. */
bool lps_tilt_add(lps_tilt *tilt, const int16_t *sample, uint32_t rate_hz);

#endif
