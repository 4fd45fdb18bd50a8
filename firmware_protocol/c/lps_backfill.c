#include "lps_backfill.h"

static uint32_t later(uint32_t a, uint32_t b) { return a > b ? a : b; }
static uint32_t earlier(uint32_t a, uint32_t b) { return a < b ? a : b; }

void lps_backfill_begin(lps_backfill *plan, const lps_backfill_args *asked, uint32_t held_to_index) {
    *plan = (lps_backfill){
        .active = true,
        .boot = asked->boot,
        .from_index = asked->from_index,
        .to_index = asked->to_index,
        .until_index = earlier(asked->to_index, held_to_index),
        .next_index = asked->from_index,
        .sent = 0,
    };
}

/* Rows [from, from + n) of a slot's frame as a frame of its own. */
static void cut(const lps_ring *ring, const lps_slot *slot, uint8_t from, uint8_t n, lps_frame *frame) {
    const lps_config *config = lps_config_find(ring->configs, ring->config_count, slot->frame.config);
    *frame = slot->frame;
    frame->n = n;
    if (from == 0) {
        return;
    }
    frame->flags = (uint8_t)(frame->flags & ~(unsigned)LPS_FLAG_GAP_BEFORE);
    frame->index = slot->frame.index + (uint32_t)from * config->decimation;
    frame->ticks = lps_slot_ticks(slot, from);
    for (uint8_t k = 0; k < n; k++) {
        for (int channel = 0; channel < LPS_CHANNELS; channel++) {
            frame->samples[k][channel] = slot->frame.samples[from + k][channel];
        }
    }
}

bool lps_backfill_next(const lps_backfill *plan, const lps_ring *ring, uint8_t n_max, lps_frame *frame) {
    lps_slot slot;
    if (plan->next_index >= plan->until_index || !lps_ring_find(ring, plan->boot, plan->next_index, &slot) ||
        slot.frame.index >= plan->until_index) {
        return false;
    }
    const uint32_t step = (lps_frame_end(ring, &slot.frame) - slot.frame.index) / slot.frame.n;
    const uint32_t first = later(plan->next_index, slot.frame.index);
    const uint8_t from = (uint8_t)((first - slot.frame.index) / step);
    const uint32_t wanted = (plan->until_index - slot.frame.index + step - 1) / step - from;
    const uint32_t there = (uint32_t)slot.frame.n - from;
    cut(ring, &slot, from, (uint8_t)earlier(earlier(wanted, there), n_max), frame);
    return true;
}

void lps_backfill_sent(lps_backfill *plan, const lps_ring *ring, const lps_frame *frame) {
    const uint32_t from = later(plan->next_index, frame->index);
    const uint32_t to = earlier(plan->until_index, lps_frame_end(ring, frame));
    plan->sent += to - from;
    plan->next_index = to;
}

lps_done lps_backfill_end(lps_backfill *plan) {
    const uint32_t asked = plan->to_index - plan->from_index;
    const lps_done done = {plan->boot, plan->from_index, plan->to_index, plan->sent, asked - plan->sent};
    plan->active = false;
    return done;
}
