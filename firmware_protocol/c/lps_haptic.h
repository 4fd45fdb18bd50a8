/* Plays patterns on the motor, and keeps it off enough: one request is at most 2 s on, and over time at most a tenth is. */
#ifndef LPS_HAPTIC_H
#define LPS_HAPTIC_H

#include "lps_hal.h"

/* budget_ticks: how long the motor may still be on; refills by a tenth of the time that passes, up to 2 s. */
typedef struct {
    lps_haptic_args playing;
    uint8_t step;
    uint8_t left;
    uint64_t next_ticks;
    uint32_t budget_ticks;
    uint64_t refilled_ticks;
} lps_haptic;

void lps_haptic_init(lps_haptic *haptic, uint64_t now_ticks);
/* LPS_OK, or LPS_BUSY: something plays, or the budget is used up. Pattern 0 stops at once. */
lps_status lps_haptic_play(lps_haptic *haptic, const lps_hal *hal, const lps_haptic_args *asked, uint64_t now_ticks);
/* Starts the pulse that is due. */
void lps_haptic_poll(lps_haptic *haptic, const lps_hal *hal, uint64_t now_ticks);
uint16_t lps_haptic_budget_ms(const lps_haptic *haptic);

#endif
