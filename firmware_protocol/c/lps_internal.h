/* Shared by lps_core.c (samples, loop, link) and lps_control.c (requests and indications); boards use lps_core.h. */
#ifndef LPS_INTERNAL_H
#define LPS_INTERNAL_H

#include "lps_core.h"

/* lps_core.c */
uint64_t lps_now(const lps_core *core);
/* The configuration with this id, or NULL. */
const lps_config *lps_config_of(const lps_core *core, uint8_t id);
/* Bytes that a notification or indication may have on this link. */
size_t lps_payload_max(const lps_core *core);
/* Rows that a frame may have on this link; 0: not one fits. */
uint8_t lps_rows_max(const lps_core *core);

/* lps_control.c */
void lps_post_reply(lps_core *core, const lps_reply *reply);
/* Ends the backfill and queues DONE. */
void lps_backfill_finish(lps_core *core);
/* Hands over the oldest indication, if none is under way. */
void lps_send_outbox(lps_core *core);
/* FORGET_BONDS and REBOOT take effect when their reply has arrived, or nobody is there to read it. */
void lps_act_after(lps_core *core);

#endif
