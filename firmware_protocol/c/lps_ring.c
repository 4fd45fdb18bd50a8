#include "lps_ring.h"

#include "lps_bytes.h"

/* A slot: the frame (type backfill) from 0, then 0xFF, then a trailer that the frame's own check sum does not cover:
 *   244 seq u32   248 ticks_span u16   250 CRC-16 of the six bytes before   252 span u16, 254 ~span u16: only in the first slot
 *   of a thinned block, written last of all: the block is whole and replaces the slots [seq, seq + span) of the log. */
enum { TRAILER = 244, TRAILER_B = 8, COMMIT = 252, COMMIT_B = 4, SPAN_MAX = 65535 };

/* A frame covers [19 k, 19 k + 19) and a thinned one [76 k, 76 k + 76), or the part of it that there is. */
enum { WINDOW = LPS_SAMPLES_MAX * LPS_DECIMATION, WINDOW_SLOTS = 4, THIN_BLOCKS = 4, FREE_MIN = 2 };

/* What was recorded in the newest slots may wait in the buffers of a link that is gone already: 12 s at 52 Hz. */
enum { UNDERWAY_SLOTS = 2 * LPS_BLOCK_SLOTS };

const lps_config *lps_config_find(const lps_config *configs, uint8_t count, uint8_t id) {
    for (uint8_t k = 0; k < count; k++) {
        if (configs[k].id == id) {
            return &configs[k];
        }
    }
    return NULL;
}

static bool averages(const lps_config *thin, const lps_config *full) {
    return thin->decimation == LPS_DECIMATION && full->decimation == 1 && thin->rate_mhz * LPS_DECIMATION == full->rate_mhz &&
           thin->acc_range_g == full->acc_range_g && thin->gyr_range_dps == full->gyr_range_dps;
}

const lps_config *lps_config_thinned(const lps_config *configs, uint8_t count, const lps_config *full) {
    for (uint8_t k = 0; k < count; k++) {
        if (averages(&configs[k], full)) {
            return &configs[k];
        }
    }
    return NULL;
}

const lps_config *lps_config_full(const lps_config *configs, uint8_t count, const lps_config *config) {
    if (config->decimation == 1) {
        return config;
    }
    for (uint8_t k = 0; k < count; k++) {
        if (averages(config, &configs[k])) {
            return &configs[k];
        }
    }
    return NULL;
}

static uint8_t decimation_of(const lps_ring *ring, uint8_t id) {
    const lps_config *config = lps_config_find(ring->configs, ring->config_count, id);
    return config == NULL ? 0 : config->decimation;
}

uint32_t lps_frame_end(const lps_ring *ring, const lps_frame *frame) {
    return frame->index + (uint32_t)frame->n * decimation_of(ring, frame->config);
}

uint32_t lps_slot_ticks(const lps_slot *slot, uint8_t k) {
    if (slot->frame.n < 2) {
        return slot->frame.ticks;
    }
    const uint32_t steps = (uint32_t)slot->frame.n - 1;
    return slot->frame.ticks + ((uint32_t)slot->ticks_span * k + steps / 2) / steps;
}

uint32_t lps_ring_capacity(uint16_t block_count) {
    /* One block is kept free for thinning, and one is being erased or filled. */
    return (uint32_t)(block_count - FREE_MIN) * LPS_BLOCK_SLOTS * LPS_SAMPLES_MAX;
}

/* ---- queues of blocks */

static void queue_push(lps_ring *ring, lps_queue *queue, uint16_t block) {
    ring->blocks[block].next = LPS_NO_BLOCK;
    if (queue->count == 0) {
        queue->first = block;
    } else {
        ring->blocks[queue->last].next = block;
    }
    queue->last = block;
    queue->count++;
}

static uint16_t queue_pop(lps_ring *ring, lps_queue *queue) {
    const uint16_t block = queue->first;
    queue->first = ring->blocks[block].next;
    queue->count--;
    return block;
}

/* For the mount, which meets the blocks in any order. */
static void queue_insert(lps_ring *ring, lps_queue *queue, uint16_t block) {
    uint16_t before = LPS_NO_BLOCK;
    uint16_t after = queue->first;
    for (uint16_t k = 0; k < queue->count && ring->blocks[after].seq < ring->blocks[block].seq; k++) {
        before = after;
        after = ring->blocks[after].next;
    }
    if (before == queue->last || queue->count == 0) {
        queue_push(ring, queue, block);
        return;
    }
    ring->blocks[block].next = after;
    if (before == LPS_NO_BLOCK) {
        queue->first = block;
    } else {
        ring->blocks[before].next = block;
    }
    queue->count++;
}

/* The block after this one in the log, thinned before full-rate; LPS_NO_BLOCK asks for the first and ends the walk. */
static uint16_t walk(const lps_ring *ring, uint16_t block) {
    if (block == LPS_NO_BLOCK) {
        return ring->thinned.count > 0 ? ring->thinned.first : (ring->full.count > 0 ? ring->full.first : LPS_NO_BLOCK);
    }
    if (ring->thinned.count > 0 && block == ring->thinned.last) {
        return ring->full.count > 0 ? ring->full.first : LPS_NO_BLOCK;
    }
    return ring->blocks[block].next;
}

static void lose(lps_ring *ring, uint32_t count) {
    ring->dropped = count > UINT32_MAX - ring->dropped ? UINT32_MAX : ring->dropped + count;
}

/* Erases a block that is in no queue and makes it free; a block that cannot be erased is used no more. */
static void release(lps_ring *ring, uint16_t block) {
    const bool erased = ring->hal->store_erase(ring->hal->context, block);
    ring->blocks[block] = (lps_block){0};
    ring->blocks[block].kind = erased ? LPS_BLOCK_EMPTY : LPS_BLOCK_BROKEN;
    if (erased) {
        queue_push(ring, &ring->free, block);
    }
}

/* An erased block, or LPS_NO_BLOCK. */
static uint16_t take_free(lps_ring *ring) {
    while (ring->free.count > 0) {
        const uint16_t block = queue_pop(ring, &ring->free);
        if (ring->blocks[block].kind == LPS_BLOCK_EMPTY || ring->hal->store_erase(ring->hal->context, block)) {
            ring->blocks[block] = (lps_block){0};
            return block;
        }
        ring->blocks[block].kind = LPS_BLOCK_BROKEN;
    }
    return LPS_NO_BLOCK;
}

/* ---- slots */

static bool slot_parse(const lps_ring *ring, const uint8_t *data, lps_slot *slot) {
    if (lps_crc16(data + TRAILER, TRAILER_B - 2) != lps_get16(data + TRAILER + TRAILER_B - 2)) {
        return false;
    }
    const uint8_t n = data[12];
    if (n > LPS_SAMPLES_MAX || lps_frame_decode(data, lps_frame_size(n), &slot->frame) != LPS_ACCEPTED) {
        return false;
    }
    slot->seq = lps_get32(data + TRAILER);
    slot->ticks_span = lps_get16(data + TRAILER + 4);
    return decimation_of(ring, slot->frame.config) != 0;
}

static bool slot_read(const lps_ring *ring, uint16_t block, uint8_t place, lps_slot *slot) {
    uint8_t data[LPS_SLOT_B];
    return ring->hal->store_read(ring->hal->context, block, (uint32_t)place * LPS_SLOT_B, data, sizeof data) &&
           slot_parse(ring, data, slot);
}

/* Writes the frame into the next slot of the block and enters it there. A slot that fails is used up, its samples are lost. */
static void slot_write(lps_ring *ring, uint16_t number, const lps_slot *slot) {
    uint8_t data[LPS_SLOT_B];
    for (size_t k = 0; k < sizeof data; k++) {
        data[k] = 0xFF;
    }
    lps_frame_encode(&slot->frame, data);
    lps_put32(data + TRAILER, slot->seq);
    lps_put16(data + TRAILER + 4, slot->ticks_span);
    lps_put16(data + TRAILER + 6, lps_crc16(data + TRAILER, TRAILER_B - 2));
    lps_block *block = &ring->blocks[number];
    const uint32_t offset = (uint32_t)block->used * LPS_SLOT_B;
    const uint32_t end = lps_frame_end(ring, &slot->frame);
    const uint32_t samples = end - slot->frame.index;
    if (block->used == 0) {
        block->seq = slot->seq;
        block->boot = slot->frame.boot;
        block->first_index = slot->frame.index;
    }
    block->used++;
    block->end_index = end;
    if (ring->hal->store_write(ring->hal->context, number, offset, data, COMMIT)) {
        block->held = (uint16_t)(block->held + samples);
    } else {
        lose(ring, samples);
    }
}

/* ---- thinning */

/* The thinned frame being made. block: LPS_NO_BLOCK while only counting. from_seq: first slot of the log that it stands for. */
typedef struct {
    lps_average average;
    lps_slot slot;
    uint32_t group_ticks;
    uint8_t group_flags;
    uint32_t from_seq;
    uint32_t next_index;
    uint32_t run_index;
    uint8_t pieces;
    uint16_t block;
} lps_thinner;

static void thinner_flush(lps_ring *ring, lps_thinner *thin, uint32_t next_seq) {
    if (thin->slot.frame.n == 0) {
        return;
    }
    thin->pieces++;
    if (thin->block != LPS_NO_BLOCK) {
        thin->slot.seq = thin->from_seq;
        slot_write(ring, thin->block, &thin->slot);
    }
    thin->from_seq = next_seq;
    thin->slot.frame.n = 0;
}

static void thinner_row(lps_thinner *thin, const lps_frame *source, const lps_config *config, uint32_t index, const int16_t *row) {
    lps_frame *frame = &thin->slot.frame;
    if (frame->n == 0) {
        frame->kind = LPS_BACKFILL;
        frame->config = config->id;
        frame->boot = source->boot;
        frame->index = index - (LPS_DECIMATION - 1);
        frame->flags = frame->index == thin->run_index ? 0 : LPS_FLAG_GAP_BEFORE; /* its first group was not whole */
        frame->ticks = thin->group_ticks;
    }
    const uint32_t span = thin->group_ticks - frame->ticks;
    thin->slot.ticks_span = (uint16_t)(span > SPAN_MAX ? SPAN_MAX : span);
    frame->flags |= thin->group_flags;
    for (int channel = 0; channel < LPS_CHANNELS; channel++) {
        frame->samples[frame->n][channel] = row[channel];
    }
    frame->n++;
}

static void thinner_add(lps_ring *ring, lps_thinner *thin, const lps_slot *source) {
    const lps_config *full = lps_config_find(ring->configs, ring->config_count, source->frame.config);
    const lps_config *config = lps_config_thinned(ring->configs, ring->config_count, full);
    if (config == NULL) {
        return; /* an averaged frame among full-rate ones: not written by this firmware */
    }
    const bool follows = source->frame.index == thin->next_index && thin->slot.frame.config == config->id;
    if (!follows || source->frame.index % WINDOW == 0) {
        thinner_flush(ring, thin, source->seq);
        thin->average.n = LPS_DECIMATION;
        thin->slot.frame.config = config->id;
        thin->run_index = source->frame.index;
    }
    for (uint8_t k = 0; k < source->frame.n; k++) {
        const uint32_t index = source->frame.index + k;
        int16_t row[LPS_CHANNELS];
        if (index % LPS_DECIMATION == 0) {
            thin->group_ticks = lps_slot_ticks(source, k);
            thin->group_flags = 0;
        }
        thin->group_flags |= source->frame.flags;
        if (lps_average_add(&thin->average, index, source->frame.samples[k], row)) {
            thinner_row(thin, &source->frame, config, index, row);
        }
    }
    thin->next_index = source->frame.index + source->frame.n;
}

/* Thins the `count` oldest full-rate blocks into `into`, or counts the frames that this would give. */
static uint8_t thin_blocks(lps_ring *ring, uint16_t count, uint16_t into) {
    lps_thinner thin = {.block = into, .from_seq = ring->blocks[ring->full.first].seq};
    uint16_t block = ring->full.first;
    lps_slot slot;
    for (uint16_t k = 0; k < count; k++) {
        for (uint8_t place = 0; place < ring->blocks[block].used; place++) {
            if (slot_read(ring, block, place, &slot)) {
                thinner_add(ring, &thin, &slot);
            }
        }
        block = ring->blocks[block].next;
    }
    thinner_flush(ring, &thin, 0);
    return thin.pieces;
}

/* How many of the oldest full-rate blocks can become one thinned block: of one boot, and 16 frames at most. One always can. */
static uint16_t thinnable(lps_ring *ring) {
    uint16_t count = 1;
    uint16_t block = ring->full.first;
    while (count < THIN_BLOCKS && ring->blocks[ring->blocks[block].next].boot == ring->blocks[block].boot) {
        block = ring->blocks[block].next;
        count++;
    }
    while (count > 1 && thin_blocks(ring, count, LPS_NO_BLOCK) > LPS_BLOCK_SLOTS) {
        count--;
    }
    return count;
}

static void thin_oldest(lps_ring *ring) {
    const uint16_t count = thinnable(ring);
    const uint32_t from_seq = ring->blocks[ring->full.first].seq;
    const uint16_t into = take_free(ring);
    if (into == LPS_NO_BLOCK) {
        return;
    }
    lps_block *made = &ring->blocks[into];
    made->kind = LPS_BLOCK_THINNED;
    const uint32_t dropped = ring->dropped;
    thin_blocks(ring, count, into);
    ring->dropped = dropped; /* counted below, with the groups that were not whole */
    uint32_t held = 0;
    uint32_t end_seq = ring->next_seq;
    uint16_t block = ring->full.first;
    for (uint16_t k = 0; k < count; k++) {
        held += ring->blocks[block].held;
        block = ring->blocks[block].next;
    }
    if (ring->full.count > count) {
        end_seq = ring->blocks[block].seq;
    }
    uint8_t commit[COMMIT_B];
    lps_put16(commit, end_seq - from_seq);
    lps_put16(commit + 2, ~(end_seq - from_seq));
    if (made->used > 0 && ring->hal->store_write(ring->hal->context, into, COMMIT, commit, sizeof commit)) {
        lose(ring, held > made->held ? held - made->held : 0);
        queue_push(ring, &ring->thinned, into);
    } else {
        lose(ring, held);
        release(ring, into);
    }
    for (uint16_t k = 0; k < count; k++) {
        release(ring, queue_pop(ring, &ring->full));
    }
}

static void overwrite_oldest(lps_ring *ring) {
    lps_queue *oldest = ring->thinned.count > 0 ? &ring->thinned : &ring->full;
    lose(ring, ring->blocks[oldest->first].held);
    release(ring, queue_pop(ring, oldest));
}

/* Whether the host has all of the oldest block. */
static bool oldest_is_delivered(const lps_ring *ring) {
    const uint16_t second = walk(ring, walk(ring, LPS_NO_BLOCK));
    return second != LPS_NO_BLOCK && ring->blocks[second].seq <= ring->owed_seq;
}

/* Frees blocks until `count` are free; every step shortens a queue, so it ends. Averages are for what the host still wants: of what
 * it has they would take the room of that. */
static void make_room(lps_ring *ring, uint16_t count) {
    while (ring->free.count < count && ring->thinned.count + ring->full.count > 0) {
        if (!oldest_is_delivered(ring) && ring->full.count >= THIN_BLOCKS && ring->free.count > 0) {
            thin_oldest(ring);
        } else {
            overwrite_oldest(ring);
        }
    }
}

/* ---- appending */

/* Whether the open frame may go into the newest block: same boot, a free slot, and no window of four frames is cut in two. */
static bool fits_newest(const lps_ring *ring) {
    if (ring->full.count == 0) {
        return false;
    }
    const lps_block *block = &ring->blocks[ring->full.last];
    const lps_frame *frame = &ring->open.frame;
    const bool same_window = block->end_index == frame->index && frame->index % WINDOW != 0;
    const int left = LPS_BLOCK_SLOTS - block->used;
    return block->boot == frame->boot && left >= (same_window ? 1 : WINDOW_SLOTS);
}

void lps_ring_flush(lps_ring *ring) {
    if (ring->open.frame.n == 0) {
        return;
    }
    if (!fits_newest(ring)) {
        make_room(ring, FREE_MIN);
        const uint16_t block = take_free(ring);
        if (block == LPS_NO_BLOCK) {
            lose(ring, ring->open.frame.n);
            ring->open.frame.n = 0;
            return;
        }
        ring->blocks[block].kind = LPS_BLOCK_FULL_RATE;
        queue_push(ring, &ring->full, block);
    }
    ring->open.seq = ring->next_seq++;
    slot_write(ring, ring->full.last, &ring->open);
    ring->open.frame.n = 0;
}

static void open_frame(lps_ring *ring, uint8_t config, uint32_t index, uint64_t ticks) {
    lps_frame *frame = &ring->open.frame;
    frame->kind = LPS_BACKFILL;
    frame->flags = index == ring->expected_index ? 0 : LPS_FLAG_GAP_BEFORE;
    frame->config = config;
    frame->boot = ring->boot;
    frame->index = index;
    frame->ticks = (uint32_t)ticks;
}

void lps_ring_append(lps_ring *ring, uint8_t config, uint32_t index, uint64_t ticks, const int16_t *sample, uint8_t flags) {
    lps_frame *frame = &ring->open.frame;
    if (frame->n > 0 && (index != ring->expected_index || config != frame->config)) {
        lps_ring_flush(ring);
    }
    if (frame->n == 0) {
        open_frame(ring, config, index, ticks);
    }
    const uint32_t span = (uint32_t)ticks - frame->ticks;
    ring->open.ticks_span = (uint16_t)(span > SPAN_MAX ? SPAN_MAX : span);
    frame->flags |= flags;
    for (int channel = 0; channel < LPS_CHANNELS; channel++) {
        frame->samples[frame->n][channel] = sample[channel];
    }
    frame->n++;
    ring->expected_index = index + 1;
    if (ring->expected_index % LPS_SAMPLES_MAX == 0) {
        lps_ring_flush(ring);
    }
}

void lps_ring_lost(lps_ring *ring, uint32_t count) { lose(ring, count); }

void lps_ring_delivered(lps_ring *ring) {
    if (ring->next_seq > ring->owed_seq + UNDERWAY_SLOTS) {
        ring->owed_seq = ring->next_seq - UNDERWAY_SLOTS;
    }
}

/* ---- mounting */

static bool all_erased(const uint8_t *data) {
    for (size_t k = 0; k < LPS_SLOT_B; k++) {
        if (data[k] != 0xFF) {
            return false;
        }
    }
    return true;
}

/* What the mount has learned of a block. */
typedef struct {
    bool written;
    bool committed;
    uint32_t end_seq;
} lps_found;

static void enter_slot(const lps_ring *ring, lps_block *block, const lps_slot *slot, lps_found *found) {
    const lps_frame *frame = &slot->frame;
    if (block->held == 0) {
        block->seq = slot->seq;
        block->boot = frame->boot;
        block->first_index = frame->index;
        block->kind = decimation_of(ring, frame->config) == 1 ? LPS_BLOCK_FULL_RATE : LPS_BLOCK_THINNED;
    }
    block->end_index = lps_frame_end(ring, frame);
    block->held = (uint16_t)(block->held + (block->end_index - frame->index));
    if (block->kind == LPS_BLOCK_FULL_RATE) {
        found->end_seq = slot->seq + 1;
    }
}

static lps_found inspect(const lps_ring *ring, uint16_t number) {
    lps_block *block = &ring->blocks[number];
    lps_found found = {false, false, 0};
    *block = (lps_block){0};
    for (uint8_t place = 0; place < LPS_BLOCK_SLOTS; place++) {
        uint8_t data[LPS_SLOT_B];
        lps_slot slot;
        if (!ring->hal->store_read(ring->hal->context, number, (uint32_t)place * LPS_SLOT_B, data, sizeof data)) {
            found.written = true;
            continue;
        }
        if (all_erased(data)) {
            continue;
        }
        found.written = true;
        block->used = (uint8_t)(place + 1);
        if (slot_parse(ring, data, &slot)) {
            enter_slot(ring, block, &slot, &found);
        }
        const uint16_t span = lps_get16(data + COMMIT);
        if (place == 0 && (span ^ lps_get16(data + COMMIT + 2)) == 0xFFFF && block->kind == LPS_BLOCK_THINNED) {
            found.committed = true;
            found.end_seq = block->seq + span;
        }
    }
    return found;
}

/* Puts one block into its queue; gives the number after its last slot in the log, or 0. */
static uint32_t mount_block(lps_ring *ring, uint16_t number) {
    const lps_found found = inspect(ring, number);
    lps_block *block = &ring->blocks[number];
    if (!found.written) {
        block->kind = LPS_BLOCK_FOUND;
        queue_push(ring, &ring->free, number);
    } else if (block->kind == LPS_BLOCK_FULL_RATE) {
        queue_insert(ring, &ring->full, number);
    } else if (found.committed) {
        queue_insert(ring, &ring->thinned, number);
    } else {
        release(ring, number); /* unreadable, or a thinned block whose sources are still there */
    }
    return found.written ? found.end_seq : 0;
}

static uint16_t draw_boot(const lps_ring *ring) {
    uint16_t boot = (uint16_t)(ring->hal->random(ring->hal->context) & 0xFFFFu);
    while (lps_ring_range(ring, boot).to_index > 0) {
        boot = (uint16_t)((boot + 1u) & 0xFFFFu);
    }
    return boot;
}

static bool each_has_its_thinned(const lps_config *configs, uint8_t count) {
    for (uint8_t k = 0; k < count; k++) {
        if (lps_config_full(configs, count, &configs[k]) == NULL ||
            (configs[k].decimation == 1 && lps_config_thinned(configs, count, &configs[k]) == NULL)) {
            return false;
        }
    }
    return count > 0;
}

bool lps_ring_mount(lps_ring *ring, const lps_hal *hal, const lps_config *configs, uint8_t config_count, lps_block *blocks,
                    uint16_t block_count) {
    if (block_count < LPS_BLOCKS_MIN || block_count == LPS_NO_BLOCK || !each_has_its_thinned(configs, config_count)) {
        return false;
    }
    *ring = (lps_ring){.hal = hal, .configs = configs, .config_count = config_count, .blocks = blocks, .block_count = block_count};
    uint32_t thinned_end = 0;
    for (uint16_t number = 0; number < block_count; number++) {
        const uint32_t end = mount_block(ring, number);
        if (blocks[number].kind == LPS_BLOCK_THINNED && end > thinned_end) {
            thinned_end = end;
        }
        if (end > ring->next_seq) {
            ring->next_seq = end;
        }
    }
    /* Thinning takes the oldest, so a full-rate block older than the end of the thinned ones is one whose erase was cut off. */
    while (ring->full.count > 0 && blocks[ring->full.first].seq < thinned_end) {
        release(ring, queue_pop(ring, &ring->full));
    }
    make_room(ring, 1);
    ring->boot = draw_boot(ring);
    return true;
}

/* ---- looking up */

static bool open_is_of(const lps_ring *ring, uint16_t boot) { return ring->open.frame.n > 0 && ring->boot == boot; }

lps_range lps_ring_range(const lps_ring *ring, uint16_t boot) {
    lps_range range = {0, 0};
    for (uint16_t b = walk(ring, LPS_NO_BLOCK); b != LPS_NO_BLOCK; b = walk(ring, b)) {
        if (ring->blocks[b].boot == boot) {
            range.from_index = range.to_index == 0 ? ring->blocks[b].first_index : range.from_index;
            range.to_index = ring->blocks[b].end_index;
        }
    }
    if (open_is_of(ring, boot)) {
        range.from_index = range.to_index == 0 ? ring->open.frame.index : range.from_index;
        range.to_index = ring->open.frame.index + ring->open.frame.n;
    }
    return range;
}

uint8_t lps_ring_boots(const lps_ring *ring, uint8_t skip, uint16_t *boot) {
    uint8_t count = 0;
    uint32_t last = 0x10000u; /* no boot */
    for (uint16_t b = walk(ring, LPS_NO_BLOCK); b != LPS_NO_BLOCK && count < UINT8_MAX; b = walk(ring, b)) {
        if (ring->blocks[b].boot != last) {
            last = ring->blocks[b].boot;
            *boot = count == skip ? (uint16_t)last : *boot;
            count++;
        }
    }
    if (open_is_of(ring, ring->boot) && last != ring->boot && count < UINT8_MAX) {
        *boot = count == skip ? ring->boot : *boot;
        count++;
    }
    return count;
}

static bool find_in_block(const lps_ring *ring, uint16_t block, uint32_t index, lps_slot *slot) {
    for (uint8_t place = 0; place < ring->blocks[block].used; place++) {
        if (slot_read(ring, block, place, slot) && lps_frame_end(ring, &slot->frame) > index) {
            return true;
        }
    }
    return false;
}

bool lps_ring_find(const lps_ring *ring, uint16_t boot, uint32_t index, lps_slot *slot) {
    for (uint16_t b = walk(ring, LPS_NO_BLOCK); b != LPS_NO_BLOCK; b = walk(ring, b)) {
        const lps_block *block = &ring->blocks[b];
        if (block->boot == boot && block->end_index > index && find_in_block(ring, b, index, slot)) {
            return true;
        }
    }
    if (open_is_of(ring, boot) && ring->open.frame.index + ring->open.frame.n > index) {
        *slot = ring->open;
        return true;
    }
    return false;
}
