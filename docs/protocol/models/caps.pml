/*
 * The cap of a group: docs/protocol/negotiation.md section 7.1.
 *
 * Modelled. One taker that fills one need, at most CAP lots, in DIALOGUES dialogues with two makers (the first and the last
 * dialogue are with the same one). In each it signs one Accept, or one firm Counter that the maker may take; both reserve
 * their lots. The makers decide whatever they like, at any time or never, and their verdicts arrive at any time or never. The
 * taker has a journal on disk and in memory, ahead of it until the running commit has ended; a crash, at any instant, loses
 * what is only in memory. A Counter dies by the taker's own clock, at any time, unless it was taken.
 *
 * Bounds. CAP lots, 1 or 2 lots a dialogue, CRASHES crashes.
 *
 * Abstracted. Terms, offers and sessions: commit.pml and session.pml. Accepts and verdicts arrive once, in order.
 */
#include "common.pml"

#ifndef CAP
#define CAP 3
#endif
#ifndef DIALOGUES
#define DIALOGUES 3
#endif
#ifndef CRASHES
#define CRASHES 2
#endif

mtype = { NONE, COUNTER, DOUBT, FILLED, DEAD };
mtype = { CONFIRMED, DECLINED, UNDECIDED };
mtype = {
  NOT_OVERFILLED,     /* what the makers confirmed, and the taker confirmed to them, is at most CAP lots */
  RESERVED_IS_RIGHT   /* the reservation is what is in doubt and in live Counters */
};

typedef Journal {
  mtype state[DIALOGUES];
  byte lots[DIALOGUES];
  byte filled;
  byte reserved
}

Journal memory, disk;
mtype verdict[DIALOGUES];   /* the maker's, durable at the maker */
bool isDirty, isReservationDirty;
byte crashes, i, sum;

inline copy(to, from) {
  for (i : 0 .. DIALOGUES - 1) { to.state[i] = from.state[i]; to.lots[i] = from.lots[i] }
  to.filled = from.filled
}

#ifdef WITHOUT_RESERVATION
#define FREE_LOTS (CAP - memory.filled)
#else
#define FREE_LOTS (CAP - memory.filled - memory.reserved)
#endif

/* What is durable of the taker, or of a maker, binds. */
inline check() {
  sum = 0;
  for (i : 0 .. DIALOGUES - 1) {
    if
    :: verdict[i] == CONFIRMED || disk.state[i] == FILLED -> sum = sum + disk.lots[i]
    :: else
    fi
  }
  hold(sum <= CAP, NOT_OVERFILLED);
#if !defined(WITHOUT_RESERVATION) && !defined(WITHOUT_RESERVED_IN_THE_SAME_TRANSACTION) && !defined(WITHOUT_RELEASED_BY_DECLINE_ONLY)
  sum = 0;
  for (i : 0 .. DIALOGUES - 1) {
    if :: disk.state[i] == DOUBT || disk.state[i] == COUNTER -> sum = sum + disk.lots[i] :: else fi
  }
  hold(sum == disk.reserved, RESERVED_IS_RIGHT);
#endif
  i = 0; sum = 0
}

inline reserve(d, what, count) {
  printf("the taker signs %e of %d lots in dialogue %d\n", what, count, d);
  memory.state[d] = what;
  memory.lots[d] = count;
  memory.reserved = memory.reserved + count;
  isDirty = true; isReservationDirty = true
}

inline release(d) {
  memory.reserved = memory.reserved - (memory.reserved < memory.lots[d] -> memory.reserved : memory.lots[d]);
  isReservationDirty = true
}

inline fill(d) {
  printf("the taker has %d lots filled in dialogue %d\n", memory.lots[d], d);
  memory.state[d] = FILLED;
  memory.filled = memory.filled + memory.lots[d];
  release(d);
  isDirty = true
}

proctype Dialogue(byte d) {
end:
  do
  :: d_step { memory.state[d] == NONE && FREE_LOTS >= 1 -> reserve(d, DOUBT, 1) }
  :: d_step { memory.state[d] == NONE && FREE_LOTS >= 2 -> reserve(d, DOUBT, 2) }
  :: d_step { memory.state[d] == NONE && FREE_LOTS >= 2 -> reserve(d, COUNTER, 2) }
  /* The maker: it sees what is durable. Taking a Counter is confirmed in the transaction of the receipt. */
  :: d_step { disk.state[d] == DOUBT && verdict[d] == UNDECIDED ->
      printf("maker %d confirms\n", d % 2); verdict[d] = CONFIRMED; check() }
  :: d_step { disk.state[d] == DOUBT && verdict[d] == UNDECIDED ->
      printf("maker %d declines\n", d % 2); verdict[d] = DECLINED; check() }
  :: d_step { disk.state[d] == COUNTER && memory.state[d] == COUNTER -> fill(d) }
  :: d_step { memory.state[d] == COUNTER ->
      printf("the Counter in dialogue %d dies\n", d); memory.state[d] = DEAD; release(d); isDirty = true }
  /* Its verdict arrives. */
  :: d_step { memory.state[d] == DOUBT && verdict[d] == CONFIRMED -> fill(d) }
  :: d_step { memory.state[d] == DOUBT && verdict[d] == DECLINED ->
      printf("the Decline arrives in dialogue %d\n", d); memory.state[d] = DEAD; release(d); isDirty = true }
#ifdef WITHOUT_RELEASED_BY_DECLINE_ONLY
  :: d_step { memory.state[d] == DOUBT && verdict[d] != DECLINED ->
      printf("the taker writes the overdue Accept in dialogue %d off\n", d);
      memory.state[d] = DEAD; release(d); isDirty = true }
#endif
  od
}

proctype Disk() {
end:
  do
#ifdef WITHOUT_RESERVED_IN_THE_SAME_TRANSACTION
  :: d_step { isDirty -> printf("  commit\n"); copy(disk, memory); isDirty = false; check() }
  :: d_step { isReservationDirty ->
      printf("  commit of the reservations\n"); disk.reserved = memory.reserved; isReservationDirty = false; check() }
#else
  :: d_step { isDirty || isReservationDirty ->
      printf("  commit\n"); copy(disk, memory); disk.reserved = memory.reserved;
      isDirty = false; isReservationDirty = false; check() }
#endif
  :: d_step { crashes < CRASHES ->
      printf("the taker crashes\n"); crashes++; copy(memory, disk); memory.reserved = disk.reserved;
      isDirty = false; isReservationDirty = false; i = 0 }
  od
}

init {
  atomic {
    for (i : 0 .. DIALOGUES - 1) { memory.state[i] = NONE; disk.state[i] = NONE; verdict[i] = UNDECIDED };
    for (i : 0 .. DIALOGUES - 1) { run Dialogue(i) };
    i = 0;
    run Disk()
  }
}
