#include "lps_haptic.h"

enum { STEPS_MAX = 3, BUDGET_TICKS = 2 * LPS_TICK_HZ, REFILL = 10 };

typedef struct {
    uint16_t on_ms;
    uint16_t off_ms;
} lps_pulse;

/* The on times of a row sum up to lps_haptic_on_ms. */
static const lps_pulse PATTERNS[][STEPS_MAX] = {
    {{0, 0}, {0, 0}, {0, 0}},
    {{100, 200}, {0, 0}, {0, 0}},
    {{400, 300}, {0, 0}, {0, 0}},
    {{100, 100}, {100, 400}, {0, 0}},
    {{100, 100}, {100, 100}, {100, 500}},
};

static uint32_t ticks_of_ms(uint32_t ms) { return ms * LPS_TICK_HZ / 1000u; }

void lps_haptic_init(lps_haptic *haptic, uint64_t now_ticks) {
    *haptic = (lps_haptic){.budget_ticks = BUDGET_TICKS, .refilled_ticks = now_ticks};
}

static void refill(lps_haptic *haptic, uint64_t now_ticks) {
    const uint64_t gained = (now_ticks - haptic->refilled_ticks) / REFILL;
    haptic->refilled_ticks += gained * REFILL; /* the rest counts next time */
    const uint64_t budget = haptic->budget_ticks + gained;
    haptic->budget_ticks = (uint32_t)(budget < BUDGET_TICKS ? budget : BUDGET_TICKS);
}

uint16_t lps_haptic_budget_ms(const lps_haptic *haptic) { return (uint16_t)(haptic->budget_ticks * 1000u / LPS_TICK_HZ); }

lps_status lps_haptic_play(lps_haptic *haptic, const lps_hal *hal, const lps_haptic_args *asked, uint64_t now_ticks) {
    refill(haptic, now_ticks);
    if (asked->pattern == 0) {
        haptic->left = 0;
        hal->motor(hal->context, 0, 0);
        return LPS_OK;
    }
    const uint32_t cost = ticks_of_ms(lps_haptic_on_ms(asked->pattern) * asked->repeats);
    if (haptic->left > 0 || cost > haptic->budget_ticks) {
        return LPS_BUSY;
    }
    haptic->budget_ticks -= cost;
    haptic->playing = *asked;
    haptic->left = asked->repeats;
    haptic->step = 0;
    haptic->next_ticks = now_ticks;
    return LPS_OK;
}

void lps_haptic_poll(lps_haptic *haptic, const lps_hal *hal, uint64_t now_ticks) {
    refill(haptic, now_ticks);
    if (haptic->left == 0 || now_ticks < haptic->next_ticks) {
        return;
    }
    const lps_pulse *pulse = &PATTERNS[haptic->playing.pattern][haptic->step];
    hal->motor(hal->context, haptic->playing.strength_pct, pulse->on_ms);
    haptic->next_ticks = now_ticks + ticks_of_ms((uint32_t)pulse->on_ms + pulse->off_ms);
    haptic->step++;
    if (haptic->step == STEPS_MAX || pulse[1].on_ms == 0) {
        haptic->step = 0;
        haptic->left--;
    }
}
