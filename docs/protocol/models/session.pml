/*
 * The session of one pair: docs/protocol/negotiation.md sections 5 and 7.1, and the repair of a journal.
 *
 * Modelled. A signs ACCEPTS statements at any time; B answers each with a verdict in the transaction that takes it in.
 * Each side has a journal on disk (`disk`) and the same in memory (`memory`), which is ahead of it until the running
 * commit has ended; frames wait for that commit in `pending`. SYNC, DATA, ACK and FREEZE with numbers, links and
 * incarnations; a channel is a pair of FIFO wires that either side leaves at any instant; what it has not read by then is
 * lost, however late the other side leaves. A crash loses memory and channel, at any instant. A restore besides replaces the
 * disk by a backup of any earlier instant, or by nothing (a fresh incarnation). A frozen pair is repaired once, by both
 * operators, in one step: negotiation.md section 5.1 has the frames, and RepairTests and the simulation cut them anywhere. A wire repeats a DATA frame.
 *
 * Bounds. SIGNS_EARLY: A breaks the rule that nothing is signed before SYNC, and the links must find it. ACCEPTS statements and as many verdicts, two contents each; CHANNELS channels; CRASHES and RESTORES in all,
 * both sides together; REPEATS repeated frames.
 *
 * Abstracted. A statement is its content, 1 or 2; a link is the list of contents under the two incarnations, so that two
 * links are equal only if the histories are. No clock, no signatures, no BYE, PING and limits; RESYNC_LOOP cannot be
 * reached and is a property. The frames of a commit leave at once: that a crash falls between them is the same as that the
 * other side leaves the channel before it has read them.
 */
#include "common.pml"

#ifndef ACCEPTS
#define ACCEPTS 2
#endif
#ifndef CHANNELS
#define CHANNELS 3
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef RESTORES
#define RESTORES 0
#endif
#ifndef REPEATS
#define REPEATS 0
#endif

mtype = { SYNC, DATA, ACK, FREEZE };
mtype = { GOOD, LOST_SELF, LOST_PEER, FORK, NEW_INCARNATION };
mtype = {
  ACKNOWLEDGED_IS_KEPT,   /* what a side acknowledged is in its journal after a crash */
  SIGNED_IS_KEPT,         /* what left a side is in its journal after a crash */
  AGREEMENT,              /* two sides that took each other's SYNC have one history */
  ONE_VERDICT,            /* an Accept has one verdict for ever, and B answers it once */
  NO_FALSE_ALARM,         /* only a restore freezes a pair */
  NO_FORK,                /* no side signs another statement under a used number */
  NO_GAP,                 /* DATA frames of a channel come without a gap */
  ALL_ARRIVES             /* once nothing fails any more, everything is delivered and acknowledged */
};

#define A 0
#define B 1
#define OTHER(me) (1 - (me))

typedef Journal {
  byte inc;                 /* own incarnation, from 1 */
  byte peer;                /* the peer's; 0 while it is not known */
  byte sent;
  byte received;
  byte acknowledged;
  byte mine[ACCEPTS + 1];   /* contents of 1 ... sent */
  byte theirs[ACCEPTS + 1]; /* contents of 1 ... received */
  mtype state
};

Journal memory[2], disk[2], backup[2];

/* kind, n (SYNC: sent), content, recv, link of mine, link of theirs, inc, your inc */
#define FRAME { mtype, byte, byte, byte, short, short, byte, byte }
#define CAPACITY 7
chan wire[2 * (CHANNELS + 1)] = [CAPACITY] of FRAME;
chan pending[2] = [CAPACITY] of FRAME;
#define TO(me, channel) wire[2 * (channel) + (me)]   /* written by the other side */
#define FROM(me, channel) wire[2 * (channel) + 1 - (me)]

byte current[2];           /* the channel that a side has; 0 none */
byte newest[2];            /* the last one that it opened */
bool synced[2];            /* it has taken the peer's SYNC on it */
bool awaits[2];            /* it has taken none since its journal was read back */
bool restored[2];          /* its disk has been replaced since the last repair */
bool wasBackedUp[2];
bool wasRestored;          /* anybody's disk was ever replaced */
bool wasRepaired;
byte crashes, restores, repeats;
byte verdict[ACCEPTS + 1]; /* the verdict on each Accept that A has ever had on its disk */

mtype kind;
byte n, content, recv, inc, peer, i;
short mine, theirs;

/* The history up to `count` statements as one number. */
#define HISTORY(list, count) \
  ((count == 0 -> 0 : list[1] + (count == 1 -> 0 : 4 * list[2])))
#ifdef WITHOUT_INCARNATIONS
#define LINK(from, to, list, count) (HISTORY(list, count))
#else
#define LINK(from, to, list, count) (128 * from + 32 * to + HISTORY(list, count))
#endif
#define MY_LINK(me, count) LINK(memory[me].inc, memory[me].peer, memory[me].mine, count)
#define THEIR_LINK(me, count) LINK(memory[me].peer, memory[me].inc, memory[me].theirs, count)

inline copy(to, from) {
  to.inc = from.inc; to.peer = from.peer; to.sent = from.sent; to.received = from.received;
  to.acknowledged = from.acknowledged; to.state = from.state;
  for (i : 1 .. ACCEPTS) { to.mine[i] = from.mine[i]; to.theirs[i] = from.theirs[i] }
  i = 0
}

inline drain(queue) {
  do
  :: len(queue) > 0 -> queue?kind, n, content, recv, mine, theirs, inc, peer
  :: else -> break
  od;
  i = 0
}

inline note() {
  if
  :: kind == SYNC -> printf("SYNC sent %d recv %d, incarnations %d %d, links %d %d\n", n, recv, inc, peer, mine, theirs)
  :: kind == DATA -> printf("DATA %d (%d)\n", n, content)
  :: kind == ACK -> printf("ACK %d\n", n)
  :: kind == FREEZE -> printf("FREEZE\n")
  fi
}

#ifdef WITHOUT_SEND_AFTER_COMMIT
#define DATA_EARLY true
#else
#define DATA_EARLY false
#endif
#ifdef WITHOUT_ACK_AFTER_COMMIT
#define ACK_EARLY true
#else
#define ACK_EARLY false
#endif
#ifdef WITHOUT_SYNC_AFTER_COMMIT
#define SYNC_EARLY true
#else
#define SYNC_EARLY false
#endif
#ifdef WITHOUT_OLD_CHANNEL_DEAD
#define EARS true   /* the other side may still read */
#else
#define EARS false
#endif

/* On the wire, if the other side still reads it. */
inline put(me) {
  printf("  %c sends ", 65 + me); note();
  if
  :: newest[OTHER(me)] <= current[me] || EARS -> FROM(me, current[me])!kind, n, content, recv, mine, theirs, inc, peer
  :: else
  fi
}

/* The rule: no frame leaves before everything that caused it, and was decided before it, is durable. */
inline send(me, isEarly) {
  if
  :: current[me] != 0 ->
    if
    :: isEarly -> put(me)
    :: else -> pending[me]!kind, n, content, recv, mine, theirs, inc, peer
    fi
  :: else
  fi
}

inline sendData(me, number) {
  kind = DATA; n = number; content = memory[me].mine[number]; recv = 0; mine = 0; theirs = 0; inc = 0; peer = 0;
  send(me, DATA_EARLY)
}

inline sendAck(me) {
  kind = ACK; n = memory[me].received; content = 0; recv = 0; mine = 0; theirs = THEIR_LINK(me, n); inc = 0; peer = 0;
  send(me, ACK_EARLY)
}

inline sendFreeze(me) {
  kind = FREEZE; n = 0; content = 0; recv = 0; mine = 0; theirs = 0; inc = 0; peer = 0;
  send(me, false)
}

inline sendSync(me) {
  kind = SYNC; n = memory[me].sent; content = 0; recv = memory[me].received; inc = memory[me].inc;
  peer = memory[me].peer;
  mine = (peer == 0 -> 0 : MY_LINK(me, n));
  theirs = (peer == 0 -> 0 : THEIR_LINK(me, recv));
  send(me, SYNC_EARLY)
}

inline freeze(me, code) {
  printf("  %c freezes: %e\n", 65 + me, code);
#ifndef SIGNS_EARLY
  hold(code != FORK, NO_FORK);
#endif
  hold(wasRestored, NO_FALSE_ALARM);
  memory[me].state = code;
  sendFreeze(me)
}

mtype found;

/* The check of SYNC. The first reason in the order of the page comes last, so that it stays. */
inline check(me) {
  found = GOOD;
#ifndef WITHOUT_SYNC_CHECKS_LINKS
  if
  :: peer == 0
  :: peer != 0 && ((recv <= memory[me].sent && theirs != LINK(memory[me].inc, inc, memory[me].mine, recv))
      || (n == memory[me].received && mine != LINK(inc, memory[me].inc, memory[me].theirs, n))) -> found = FORK
  :: else
  fi;
#endif
#ifndef WITHOUT_SYNC_CHECKS_ACKNOWLEDGED
  if :: recv < memory[me].acknowledged -> found = LOST_PEER :: else fi;
#endif
#ifndef WITHOUT_SYNC_CHECKS_NUMBERS
  if :: n < memory[me].received -> found = LOST_PEER :: else fi;
  if :: recv > memory[me].sent -> found = LOST_SELF :: else fi;
#endif
#ifndef WITHOUT_INCARNATIONS
  if
  :: (memory[me].peer != 0 && inc != memory[me].peer) || (peer != 0 && peer != memory[me].inc) -> found = NEW_INCARNATION
  :: else
  fi
#endif
}

inline takeSync(me) {
  check(me);
  if
  :: found != GOOD -> freeze(me, found)
  :: else ->
    if
    :: memory[me].peer == 0 -> memory[me].peer = inc
    :: else
    fi;
    if
    :: recv > memory[me].acknowledged -> memory[me].acknowledged = recv
    :: else
    fi;
    synced[me] = true;
    awaits[me] = false;
    i = memory[me].acknowledged + 1;
    do
    :: i <= memory[me].sent -> sendData(me, i); i++
    :: else -> break
    od;
    i = 0
  fi
}

/* B's verdict, in the transaction of the receipt. Both are possible: a side that decides again may decide otherwise. */
inline answer(me, choice) {
  if
  :: me == B ->
    hold(memory[me].sent == n - 1, ONE_VERDICT);
    memory[me].sent++;
    memory[me].mine[memory[me].sent] = choice;
    printf("  B decides on Accept %d: %d\n", n, choice);
    sendData(me, memory[me].sent)
  :: else
  fi
}

inline takeData(me, choice) {
  if
#ifndef WITHOUT_DUPLICATES_DROPPED
  :: n <= memory[me].received ->
    if
    :: memory[me].theirs[n] != content -> freeze(me, FORK)
    :: else -> sendAck(me)
    fi
#else
  :: n <= memory[me].received -> hold(me == A, ONE_VERDICT); sendAck(me)
#endif
  :: n == memory[me].received + 1 ->
    memory[me].received = n;
    memory[me].theirs[n] = content;
    answer(me, choice);
    sendAck(me)
  :: n > memory[me].received + 1 -> hold(false, NO_GAP)
  fi
}

inline takeAck(me) {
  if
  :: n > memory[me].sent -> freeze(me, LOST_SELF)
  :: n < memory[me].acknowledged
  :: n <= memory[me].sent && n >= memory[me].acknowledged ->
    if
    :: theirs != MY_LINK(me, n) -> freeze(me, FORK)
    :: else -> memory[me].acknowledged = n
    fi
  fi
}

#define IN_SYNC (synced[A] && synced[B] && current[A] == current[B] && memory[A].state == GOOD && memory[B].state == GOOD)
#define SAME_START(x, y) (memory[x].peer == memory[y].inc && memory[y].received <= memory[x].sent && memory[x].acknowledged <= memory[y].received)
#define SAME_STORY(x, y) (HISTORY(memory[x].mine, memory[y].received) == HISTORY(memory[y].theirs, memory[y].received))

inline take(me, choice) {
  printf("%c takes ", 65 + me); note();
  if
  :: kind == FREEZE ->
    if
    :: memory[me].state == GOOD -> hold(wasRestored, NO_FALSE_ALARM); memory[me].state = LOST_PEER
    :: else
    fi
  :: kind != FREEZE && memory[me].state != GOOD -> sendFreeze(me)
  :: kind == SYNC && memory[me].state == GOOD -> takeSync(me)
  :: kind == DATA && memory[me].state == GOOD -> takeData(me, choice)
  :: kind == ACK && memory[me].state == GOOD -> takeAck(me)
  fi;
  hold(!IN_SYNC || (SAME_START(A, B) && SAME_START(B, A)), AGREEMENT);
  hold(!IN_SYNC || (SAME_STORY(A, B) && SAME_STORY(B, A)), AGREEMENT)
}

inline commit(me) {
  printf("  %c commits: sent %d received %d acknowledged %d\n", 65 + me, memory[me].sent, memory[me].received, memory[me].acknowledged);
  copy(disk[me], memory[me]);
  i = 1;
  do
  :: me == A && i <= disk[A].received ->
    hold(verdict[i] == 0 || verdict[i] == disk[A].theirs[i], ONE_VERDICT);
    verdict[i] = disk[A].theirs[i];
    i++
  :: else -> break
  od;
  do
  :: len(pending[me]) > 0 ->
    pending[me]?kind, n, content, recv, mine, theirs, inc, peer;
    put(me)
  :: else -> break
  od;
  i = 0
}

inline open(me) {
  newest[me]++;
  printf("%c opens channel %d\n", 65 + me, newest[me]);
#ifndef WITHOUT_OLD_CHANNEL_DEAD
  /* The rule: the old channel is dead, nothing more is read from it. */
  drain(TO(me, current[me]));
#endif
  current[me] = newest[me];
  synced[me] = false;
  drain(pending[me]);
  if
  :: memory[me].state == GOOD -> sendSync(me)
  :: else -> sendFreeze(me)
  fi
}

inline lose(me) {
  drain(pending[me]);
  drain(TO(me, current[me]));
  current[me] = 0;
  synced[me] = false
}

inline crash(me) {
  printf("%c crashes\n", 65 + me);
  lose(me);
  copy(memory[me], disk[me]);
  awaits[me] = true;
  hold(restored[me] || restored[OTHER(me)] || memory[me].received >= memory[OTHER(me)].acknowledged, ACKNOWLEDGED_IS_KEPT);
  hold(restored[me] || restored[OTHER(me)] || memory[me].sent >= memory[OTHER(me)].received, SIGNED_IS_KEPT)
}

inline restore(me) {
  lose(me);
  if
  :: wasBackedUp[me] -> printf("%c is restored from its backup\n", 65 + me); copy(disk[me], backup[me])
  :: else ->
    printf("%c has lost its disk and begins anew\n", 65 + me);
    copy(disk[me], backup[me]);
    disk[me].inc = 2
  fi;
  copy(memory[me], disk[me]);
  awaits[me] = true;
  restored[me] = true;
  wasRestored = true
}

/* Both operators: each side gets back from the other what it signed; both begin a new incarnation. */
#define REPAIRABLE(me) (memory[me].state != GOOD && memory[me].state != FORK && disk[me].state == memory[me].state)
inline adopt(me) {
#ifndef WITHOUT_ADOPTION
  i = memory[me].sent + 1;
  do
  :: i <= memory[OTHER(me)].received -> memory[me].mine[i] = memory[OTHER(me)].theirs[i]; memory[me].sent = i; i++
  :: else -> break
  od;
  i = 0
#else
  skip
#endif
}
inline renumber(me) {
  if
  :: memory[me].received > memory[OTHER(me)].sent -> memory[me].received = memory[OTHER(me)].sent
  :: else
  fi
}
inline repair() {
  printf("both operators repair the pair\n");
  adopt(A);
  adopt(B);
  /* A verdict holds the Accept that it answers: what B has decided on it has received. */
  memory[B].received = memory[B].sent;
  i = 1;
  do
  :: i <= memory[B].received && memory[B].theirs[i] == 0 -> memory[B].theirs[i] = memory[A].mine[i]; i++
  :: i <= memory[B].received && memory[B].theirs[i] != 0 -> i++
  :: else -> break
  od;
  i = 0;
  renumber(A);
  renumber(B);
  memory[A].acknowledged = memory[B].received;
  memory[B].acknowledged = memory[A].received;
  memory[A].inc = 3; memory[A].peer = 3; memory[A].state = GOOD;
  memory[B].inc = 3; memory[B].peer = 3; memory[B].state = GOOD;
  for (n : 1 .. ACCEPTS) {
    if :: n > memory[A].received -> memory[A].theirs[n] = 0 :: else fi;
    if :: n > memory[B].received -> memory[B].theirs[n] = 0 :: else fi
  }
  copy(disk[A], memory[A]);
  copy(disk[B], memory[B]);
  restored[A] = false; restored[B] = false;
  lose(A); lose(B);
  newest[A] = CHANNELS - 1; newest[B] = CHANNELS - 1;
  drain(wire[2 * CHANNELS]); drain(wire[2 * CHANNELS + 1]);
  wasRepaired = true
}

#define IS_BEHIND(me) (memory[me].inc != disk[me].inc || memory[me].peer != disk[me].peer || memory[me].sent != disk[me].sent \
  || memory[me].received != disk[me].received || memory[me].acknowledged != disk[me].acknowledged || memory[me].state != disk[me].state)

#define FRAME_IN(me, channel) (channel != 0 && len(TO(me, channel)) > 0 && len(pending[me]) < CAPACITY - ACCEPTS)
#define DATA_IN(me, channel) (FRAME_IN(me, channel) && TO(me, channel)?[DATA, _, _, _, _, _, _, _])

inline receive(me, channel, choice) {
  TO(me, channel)?kind, n, content, recv, mine, theirs, inc, peer;
  take(me, choice)
}

inline receiveAgain(me, channel, choice) {
  repeats++;
  printf("the wire repeats a frame\n");
  TO(me, channel)?<kind, n, content, recv, mine, theirs, inc, peer>;
  take(me, choice)
}

/* Contents are only compared, so that before anything was lost 1 stands for all of them. */
#define MAY_DIFFER (crashes + restores > 0)
#if defined(WITHOUT_SIGN_AFTER_SYNC) || defined(SIGNS_EARLY)
#define IS_SURE(me) true
#else
#define IS_SURE(me) (!awaits[me])
#endif
#define MAY_SIGN (me == A && memory[me].state == GOOD && memory[me].peer != 0 && IS_SURE(me) && memory[me].sent < ACCEPTS)

inline sign(me, choice) {
  memory[me].sent++;
  memory[me].mine[memory[me].sent] = choice;
  printf("A signs Accept %d: %d\n", memory[me].sent, choice);
  if
  :: synced[me] -> sendData(me, memory[me].sent)
  :: else
  fi
}

/* So that what a step used makes no states of its own. */
inline forget() {
  kind = 0; n = 0; content = 0; recv = 0; mine = 0; theirs = 0; inc = 0; peer = 0; i = 0; found = 0
}

proctype Trader(byte me) {
end:
  do
  :: d_step { MAY_SIGN -> sign(me, 1); forget() }
  :: d_step { MAY_DIFFER && MAY_SIGN -> sign(me, 2); forget() }
  :: d_step { FRAME_IN(me, current[me]) -> receive(me, current[me], 1); forget() }
  :: d_step { MAY_DIFFER && me == B && DATA_IN(me, current[me]) -> receive(me, current[me], 2); forget() }
#if REPEATS > 0
  :: d_step { repeats < REPEATS && DATA_IN(me, current[me]) -> receiveAgain(me, current[me], 1); forget() }
  :: d_step { MAY_DIFFER && me == B && repeats < REPEATS && DATA_IN(me, current[me]) -> receiveAgain(me, current[me], 2); forget() }
#endif
#ifdef WITHOUT_OLD_CHANNEL_DEAD
  :: d_step { synced[me] && DATA_IN(me, current[me] - 1) -> printf("from the old channel: "); receive(me, current[me] - 1, 1); forget() }
#endif
  :: d_step { IS_BEHIND(me) || len(pending[me]) > 0 -> commit(me); forget() }
  :: d_step { newest[me] < CHANNELS && newest[me] <= newest[OTHER(me)] -> open(me); forget() }
  :: d_step { crashes < CRASHES && newest[me] < CHANNELS -> crashes++; crash(me); forget() }
  :: d_step { restores < RESTORES && newest[me] < CHANNELS -> restores++; restore(me); forget() }
  :: d_step { RESTORES > 0 && !wasBackedUp[me] && !restored[me] && !wasRepaired && disk[me].peer != 0 ->
      wasBackedUp[me] = true; copy(backup[me], disk[me]); printf("%c is backed up\n", 65 + me); forget() }
  od
}

#define DELIVERED (memory[A].sent == ACCEPTS && memory[B].received == ACCEPTS && memory[B].sent == ACCEPTS \
  && memory[A].received == ACCEPTS && memory[A].acknowledged == ACCEPTS && memory[B].acknowledged == ACCEPTS)

init {
  d_step {
    memory[A].inc = 1; memory[B].inc = 1;
    memory[A].state = GOOD; memory[B].state = GOOD;
    copy(disk[A], memory[A]); copy(disk[B], memory[B]);
    copy(backup[A], memory[A]); copy(backup[B], memory[B]);
    forget()
  };
  atomic { run Trader(A); run Trader(B) };
  do
  :: d_step { RESTORES > 0 && !wasRepaired && REPAIRABLE(A) && REPAIRABLE(B) -> repair(); forget() }
  :: timeout ->
    /* Nothing can fail any more and nobody has anything to do. */
    hold(DELIVERED || (wasRestored && memory[A].state != GOOD && memory[B].state != GOOD), ALL_ARRIVES);
    break
  od;
endRun: false
}
