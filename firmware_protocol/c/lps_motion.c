#include "lps_motion.h"

/* Still: no reading strays further within the calibration. Provisional, ours: some ten times the noise of a consumer part. */
static const float STILL_ACC_G = 0.05f;
static const float STILL_GYR_DPS = 2.0f;

void lps_gyro_cal_begin(lps_gyro_cal *cal, uint8_t tag, uint8_t duration_s, const lps_config *config) {
    *cal = (lps_gyro_cal){
        .left = (config->rate_mhz * duration_s + 500u) / 1000u,
        .tag = tag,
        .acc_span_max = (int32_t)(STILL_ACC_G * config->acc_lsb_per_g),
        .gyr_span_max = (int32_t)(STILL_GYR_DPS * config->gyr_lsb_per_dps),
    };
    for (int channel = 0; channel < LPS_CHANNELS; channel++) {
        cal->low[channel] = INT16_MAX;
        cal->high[channel] = INT16_MIN;
    }
}

static int16_t mean(int64_t sum, uint32_t count) {
    const int64_t half = (int64_t)count / 2;
    return (int16_t)((sum >= 0 ? sum + half : sum - half) / (int64_t)count);
}

static bool still(const lps_gyro_cal *cal) {
    for (int channel = 0; channel < LPS_CHANNELS; channel++) {
        const int32_t span = (int32_t)cal->high[channel] - cal->low[channel];
        if (span > (channel < 3 ? cal->acc_span_max : cal->gyr_span_max)) {
            return false;
        }
    }
    return !cal->disturbed;
}

bool lps_gyro_cal_add(lps_gyro_cal *cal, const int16_t *sample, lps_gyro_reply *reply) {
    if (cal->left == 0) {
        return false;
    }
    for (int channel = 0; channel < LPS_CHANNELS; channel++) {
        cal->low[channel] = sample[channel] < cal->low[channel] ? sample[channel] : cal->low[channel];
        cal->high[channel] = sample[channel] > cal->high[channel] ? sample[channel] : cal->high[channel];
    }
    for (int axis = 0; axis < 3; axis++) {
        cal->sum[axis] += sample[3 + axis];
    }
    cal->count++;
    cal->left--;
    if (cal->left > 0) {
        return false;
    }
    for (int axis = 0; axis < 3; axis++) {
        reply->bias[axis] = mean(cal->sum[axis], cal->count);
    }
    reply->still = still(cal) ? 1 : 0;
    return true;
}

void lps_tilt_begin(lps_tilt *tilt, const lps_local_alert_args *args) {
    tilt->args = *args;
    lps_tilt_reset(tilt);
}

void lps_tilt_reset(lps_tilt *tilt) {
    tilt->sum[0] = tilt->sum[1] = tilt->sum[2] = 0;
    tilt->count = 0;
    tilt->tilted_s = 0;
}

/* Cosine of 0 to 90 deg after Bhaskara I, within 0.0017 (0.1 deg from 10 deg on): no tables, no libm. */
static float cosine(uint8_t angle_deg) {
    const float square = (float)angle_deg * (float)angle_deg;
    return (32400.0f - 4.0f * square) / (32400.0f + square);
}

static bool tilted(const lps_tilt *tilt) {
    float dot = 0.0f;
    float force2 = 0.0f;
    float up2 = 0.0f;
    for (int axis = 0; axis < 3; axis++) {
        const float force = (float)tilt->sum[axis] / (float)tilt->count;
        const float up = (float)tilt->args.up[axis];
        dot += force * up;
        force2 += force * force;
        up2 += up * up;
    }
    const float edge = cosine(tilt->args.angle_deg);
    return dot <= 0.0f || dot * dot < edge * edge * force2 * up2;
}

bool lps_tilt_add(lps_tilt *tilt, const int16_t *sample, uint32_t rate_hz) {
    if (tilt->args.angle_deg == 0) {
        return false;
    }
    for (int axis = 0; axis < 3; axis++) {
        tilt->sum[axis] += sample[axis];
    }
    tilt->count++;
    if (tilt->count < rate_hz) {
        return false;
    }
    const uint32_t tilted_s = tilted(tilt) ? tilt->tilted_s + 1 : 0;
    lps_tilt_reset(tilt);
    tilt->tilted_s = tilted_s < tilt->args.hold_s ? tilted_s : 0;
    return tilted_s >= tilt->args.hold_s;
}
