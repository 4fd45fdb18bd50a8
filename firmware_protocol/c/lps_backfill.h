/* What is still to be sent of a range that the host asked for. Idempotent: it only reads the ring, and looks up anew what comes
 * next before every frame, so thinning or overwriting in between costs the samples concerned and nothing else. */
#ifndef LPS_BACKFILL_H
#define LPS_BACKFILL_H

#include "lps_ring.h"

/* [from_index, to_index) of boot as asked. until_index: where it ends, what was held when it was asked for: samples that come
 * later are not chased. next_index: what comes next. sent: full-rate samples of the range sent so far. */
typedef struct {
    bool active;
    uint16_t boot;
    uint32_t from_index;
    uint32_t to_index;
    uint32_t until_index;
    uint32_t next_index;
    uint32_t sent;
} lps_backfill;

void lps_backfill_begin(lps_backfill *plan, const lps_backfill_args *asked, uint32_t held_to_index);
/* The next frame, cut to the range and to n_max rows; an averaged row that reaches into the range comes whole. false: all sent. */
bool lps_backfill_next(const lps_backfill *plan, const lps_ring *ring, uint8_t n_max, lps_frame *frame);
/* The link has taken that frame. */
void lps_backfill_sent(lps_backfill *plan, const lps_ring *ring, const lps_frame *frame);
/* Ends it: what DONE says. */
lps_done lps_backfill_end(lps_backfill *plan);

#endif
