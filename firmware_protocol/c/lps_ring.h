/* The store of frames: a log in blocks of 16 slots. Full, it overwrites the oldest block if the host has it; else it thins the
 * oldest full-rate blocks to averages of four, and when all is thinned it overwrites the oldest. Every sample appended is held at
 * the full rate, held in an average (whose configuration says so) or counted in `dropped`; never twice. PROTOCOL.md section 8 has
 * the rules and the layout.
 *
 * Power may fail inside any store call: lps_ring_mount finds all frames that were written whole.
 *
 * Stack: at most 1.5 kB. Time: appending the last sample of a frame writes one slot; once per 16 frames it also thins (reads up
 * to 128 slots, writes 16, erases up to 5 blocks), so the IMU's FIFO must bridge the erase time of five blocks. */
#ifndef LPS_RING_H
#define LPS_RING_H

#include "lps_average.h"
#include "lps_hal.h"

#define LPS_SLOT_B 256
#define LPS_BLOCK_SLOTS 16
#define LPS_BLOCK_B 4096
#define LPS_BLOCKS_MIN 8
#define LPS_NO_BLOCK 65535

typedef enum { LPS_BLOCK_EMPTY = 0, LPS_BLOCK_FOUND = 1, LPS_BLOCK_FULL_RATE = 2, LPS_BLOCK_THINNED = 3, LPS_BLOCK_BROKEN = 4 } lps_block_kind;

/* What the ring knows of a block without reading it; the caller gives an array of these. EMPTY: erased since the boot. FOUND:
 * read as erased at the mount, erased again before use because a power failure can leave that state half done.
 * seq: number of its first slot in the log. [first_index, end_index): of its one boot, holes included. held: full-rate samples. */
typedef struct {
    uint32_t seq;
    uint32_t first_index;
    uint32_t end_index;
    uint16_t boot;
    uint16_t held;
    uint16_t next;
    uint8_t used;
    uint8_t kind;
} lps_block;

/* Blocks in the order of the log, or of release for the free ones. */
typedef struct {
    uint16_t first;
    uint16_t last;
    uint16_t count;
} lps_queue;

/* A frame with the number of its slot, and the ticks from its first sample to its last, measured: to date samples inside. */
typedef struct {
    uint32_t seq;
    uint16_t ticks_span;
    lps_frame frame;
} lps_slot;

/* owed_seq: the host has the slots of the log before it; 0 after the mount, which cannot know.
 * open: the frame being filled, not yet in the store (n 0: none). dropped: full-rate samples lost since the boot, of any boot. */
typedef struct {
    const lps_hal *hal;
    const lps_config *configs;
    uint8_t config_count;
    lps_block *blocks;
    uint16_t block_count;
    lps_queue thinned;
    lps_queue full;
    lps_queue free;
    uint32_t next_seq;
    uint32_t owed_seq;
    uint32_t dropped;
    uint16_t boot;
    uint32_t expected_index;
    lps_slot open;
} lps_ring;

/* The configuration with this id, or NULL. */
const lps_config *lps_config_find(const lps_config *configs, uint8_t count, uint8_t id);
/* The configuration of averages of four made from `full`, or NULL. */
const lps_config *lps_config_thinned(const lps_config *configs, uint8_t count, const lps_config *full);
/* The full-rate configuration that `config` averages; itself if it is one; NULL if there is none. */
const lps_config *lps_config_full(const lps_config *configs, uint8_t count, const lps_config *config);

/* Reads the store and draws a boot number that it does not hold. configs: as in Info, each full-rate one with its thinned one.
 * blocks: room for block_count of them, at least LPS_BLOCKS_MIN; both arrays are kept. false: too few blocks, or a configuration
 * without its partner; nothing done. */
bool lps_ring_mount(lps_ring *ring, const lps_hal *hal, const lps_config *configs, uint8_t config_count, lps_block *blocks,
                    uint16_t block_count);

/* Takes the sample with this index; indices rise, and a step of more than one is a gap (the lost ones go to lps_ring_lost). */
void lps_ring_append(lps_ring *ring, uint8_t config, uint32_t index, uint64_t ticks, const int16_t *sample, uint8_t flags);
/* Counts samples that never reached the ring. */
void lps_ring_lost(lps_ring *ring, uint32_t count);
/* The host has, or does not want, all up to now, but for what may be under way. */
void lps_ring_delivered(lps_ring *ring);
/* Writes the open frame to the store: before a reboot. */
void lps_ring_flush(lps_ring *ring);

/* [first, end) of what is held of a boot, holes included; 0, 0: nothing. */
lps_range lps_ring_range(const lps_ring *ring, uint16_t boot);
/* How many boots are held; the one after `skip` others, oldest first, in *boot (unchanged if there is none). */
uint8_t lps_ring_boots(const lps_ring *ring, uint8_t skip, uint16_t *boot);
/* The first slot of this boot with a sample at or after index, the open frame included. false: none. */
bool lps_ring_find(const lps_ring *ring, uint16_t boot, uint32_t index, lps_slot *slot);

/* One past the last full-rate sample that a frame covers. */
uint32_t lps_frame_end(const lps_ring *ring, const lps_frame *frame);
/* Ticks of row k of a slot's frame. */
uint32_t lps_slot_ticks(const lps_slot *slot, uint8_t k);
/* Samples that the ring holds at the full rate. */
uint32_t lps_ring_capacity(uint16_t block_count);

#endif
