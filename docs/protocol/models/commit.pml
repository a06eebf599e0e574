/*
 * The commit rule in one dialogue: docs/protocol/negotiation.md sections 7, 7.1 and 8, and last look.
 *
 * Modelled. Two sides, each with one slot for its offer, each of which may accept the other's, so that Accepts cross. Offers
 * end at END on their owner's clock, are amended and cancelled; an Accept gets its verdict at once (firm) or after a last
 * look of LOOK; Withdraw, TradeAck. The two clocks differ by at most SKEW, which the sides know as a bound. Each side has its
 * journal on disk (`disk`) and in memory (`memory`), ahead of it until the running commit has ended; a crash, at any instant,
 * loses what is only in memory. A statement is delivered when it is durable, once, in order, any time later or never: that is
 * what session.pml shows.
 *
 * Bounds. OFFERS offers a side; who has signed FREE statements signs only what it must; time 0 ... TIME, CRASHES in all.
 * MALICE 1: side B, the acceptor, signs any Accept at any time, and more than one. MALICE 2: side A, the owner, signs any
 * verdict on anything, several too, or none.
 *
 * Abstracted. Terms are whose offer it is and which one: equal terms, equal bytes. No request, rounds, hold_until, sides and
 * lots, no signatures: nobody makes a statement of the other's.
 */
#include "common.pml"

#ifndef OFFERS
#define OFFERS 2
#endif
#ifndef FREE
#define FREE 3
#endif
#ifndef TIME
#define TIME 4
#endif
#ifndef END
#define END 2
#endif
#ifndef SKEW
#define SKEW 1
#endif
#ifndef LOOK
#define LOOK 0
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef MALICE
#define MALICE 0
#endif

mtype = { OFFER, CANCEL, ACCEPT, CONFIRM, DECLINE, WITHDRAW, TRADE_ACK };
mtype = { NONE, LIVE, LOOKED_AT, TAKEN, DEAD };
mtype = {
  SAME_TRADES,            /* at the end both journals hold the same trade or none, and nobody is in doubt */
  NOT_ONE_SIDED,          /* nobody believes that there is no trade while there is one */
  RIGHT_TERMS,            /* an Accept is confirmed for what its signer looked at, or not at all */
  ONE_TRADE,              /* one trade a dialogue */
  ONE_CONFIRM_AN_OFFER,   /* an offer takes one Accept, ever */
  ONE_VERDICT_AN_ACCEPT,  /* an Accept has one verdict, ever */
  NOT_AFTER_THE_END,      /* no Confirm after the offer's end, and the look, on its owner's clock */
  NOT_BOUND_TO_THE_DEAD   /* nobody signs an Accept of an offer that is past its end on its owner's clock */
};

#define A 0
#define B 1
#define OTHER(me) (1 - (me))

#define SIZE 9   /* FREE, and a verdict on each of the other side's Accepts, and a TradeAck */

typedef Journal {
  mtype slot;           /* of the own offer */
  byte offer;           /* number of the latest own offer */
  byte until;           /* end of the look */
  byte theirs;          /* number of the other side's offer, as long as it is not known to be dead */
  byte doubt;           /* number of the offer that the undecided Accept takes */
  byte trade;           /* TERMS of the trade; 0 none */
  bool isMine;          /* it is of an own offer */
  bool isSure;          /* TradeAck has come */
  bool voided;          /* believes that there is no trade, though no verdict has said so */
  byte accepted;        /* number of the offer that the latest Accept takes */
  bool declined;        /* that Accept was */
  bool equivocated;     /* holds two verdicts on it: proof against the other side */
  byte received;        /* statements taken in */
  byte sent;            /* statements signed */
  byte kind[SIZE];
  byte about[SIZE];
  byte terms[SIZE] /* of an Accept: those its signer looked at */
}

Journal memory[2], disk[2];
byte now;
byte ahead[2];          /* how far a clock is ahead of `now` */
byte crashes;
byte i, j, count;

#define CLOCK(me) (now + ahead[me])
#define TERMS(owner, number) (1 + 4 * (owner) + (number))

#ifdef WITHOUT_SEND_AFTER_COMMIT
#define VISIBLE memory
#else
#define VISIBLE disk   /* no frame leaves before everything that caused it is durable */
#endif
#ifdef WITHOUT_ALIVE_GUARD
#define IS_ALIVE(me) (CLOCK(me) <= END)
#else
#define IS_ALIVE(me) (CLOCK(me) + SKEW <= END)
#endif
#ifdef WITHOUT_ONE_ACCEPT
#define IS_FREE(me) (memory[me].slot == LIVE || memory[me].slot == TAKEN)
#else
#define IS_FREE(me) (memory[me].slot == LIVE && memory[me].trade == 0)
#endif
#ifdef WITHOUT_CROSSED
#define IS_CROSSED(me) false
#else
#define IS_CROSSED(me) (memory[me].doubt != 0)
#endif
#ifdef WITHOUT_OFFER_ID
#define IS_NAMED(me, number) true   /* an Accept is of whatever offer is live */
#else
#define IS_NAMED(me, number) (number == memory[me].offer)
#endif
#ifdef WITHOUT_ONE_VERDICT
#define IS_UNDECIDED(me) (memory[me].until != 0)
#else
#define IS_UNDECIDED(me) (memory[me].slot == LOOKED_AT)
#endif

bool isDirty[2];   /* memory is ahead of the disk */
byte owed[2];      /* an Accept whose verdict is still to be signed: only where that is a transaction of its own */
mtype kind;
byte about, terms;

inline copy(to, from) {
  to.slot = from.slot; to.offer = from.offer; to.until = from.until; to.theirs = from.theirs; to.doubt = from.doubt;
  to.trade = from.trade; to.isMine = from.isMine; to.isSure = from.isSure; to.voided = from.voided;
  to.accepted = from.accepted; to.declined = from.declined; to.equivocated = from.equivocated;
  to.received = from.received; to.sent = from.sent;
  for (i : 1 .. SIZE - 1) { to.kind[i] = from.kind[i]; to.about[i] = from.about[i]; to.terms[i] = from.terms[i] }
}

inline sign(me, what, number, which) {
  memory[me].sent++;
  memory[me].kind[memory[me].sent] = what;
  memory[me].about[memory[me].sent] = number;
  memory[me].terms[memory[me].sent] = which;
  isDirty[me] = true;
  printf("%c at %d signs %e of offer %d\n", 65 + me, CLOCK(me), what, number)
}

inline confirm(me, number) {
  hold(CLOCK(me) <= END + LOOK, NOT_AFTER_THE_END);
  sign(me, CONFIRM, number, TERMS(me, memory[me].offer));
  memory[me].slot = TAKEN;
  memory[me].trade = TERMS(me, memory[me].offer);
  memory[me].isMine = true
}

/* Which Accept is in look is known by the offer. */
inline decline(me, number) { sign(me, DECLINE, number, 0) }

inline judge(me, number) {
  if
  :: (IS_CROSSED(me) || !IS_FREE(me) || !IS_NAMED(me, number) || CLOCK(me) > END) -> decline(me, number)
  :: else ->
    if
    :: LOOK == 0 -> confirm(me, number)
    :: else -> memory[me].slot = LOOKED_AT; memory[me].until = CLOCK(me) + LOOK;
      printf("%c at %d looks\n", 65 + me, CLOCK(me))
    fi
  fi
}

inline takeConfirm(me) {
  if
  :: memory[me].doubt != 0 && memory[me].doubt == about ->
#if MALICE == 2
    if
    :: terms == TERMS(OTHER(me), about) -> memory[me].trade = terms; memory[me].doubt = 0
    :: else   /* forged, or wrong terms: it stays in doubt */
    fi
#else
    hold(terms == TERMS(OTHER(me), about), RIGHT_TERMS);
    memory[me].trade = terms; memory[me].isMine = false; memory[me].doubt = 0; memory[me].theirs = 0;
    if :: memory[me].slot == LIVE -> memory[me].slot = DEAD :: else fi;
    sign(me, TRADE_ACK, about, 0)
#endif
  :: (memory[me].doubt == 0 && memory[me].accepted == about && memory[me].declined
      && terms == TERMS(OTHER(me), about)) -> memory[me].equivocated = true
  :: else
  fi
}

inline takeDecline(me) {
  if
  :: memory[me].doubt != 0 && memory[me].doubt == about -> memory[me].doubt = 0; memory[me].declined = true
  :: memory[me].trade == TERMS(OTHER(me), about) -> memory[me].equivocated = true
  :: else
  fi
}

/* The receipt of the next statement, and the answer to it, in one transaction. */
inline take(me) {
  memory[me].received++;
  kind = VISIBLE[OTHER(me)].kind[memory[me].received];
  about = VISIBLE[OTHER(me)].about[memory[me].received];
  terms = VISIBLE[OTHER(me)].terms[memory[me].received];
  isDirty[me] = true;
  printf("%c at %d takes in %e of offer %d\n", 65 + me, CLOCK(me), kind, about);
  if
  :: kind == OFFER -> memory[me].theirs = about
  :: kind == CANCEL -> memory[me].theirs = 0
  :: kind == ACCEPT ->
    memory[me].theirs = 0;
#ifdef WITHOUT_ONE_TRANSACTION
    owed[me] = about
#else
    judge(me, about)
#endif
  :: kind == CONFIRM -> takeConfirm(me)
  :: kind == DECLINE -> takeDecline(me)
  :: kind == WITHDRAW ->
    if
    :: IS_UNDECIDED(me) && memory[me].offer == about ->
      decline(me, about); memory[me].until = 0; memory[me].slot = DEAD
    :: else
    fi
  :: kind == TRADE_ACK -> memory[me].isSure = true
  fi
}

/* What is durable is what others can hold a side to. */
inline checkJournals() {
  i = 1; count = 0;
  do
  :: i < SIZE ->
    if :: disk[A].kind[i] == CONFIRM -> count++ :: else fi;
    if :: disk[B].kind[i] == CONFIRM -> count++ :: else fi;
    i++
  :: else -> break
  od;
  hold(MALICE == 2 || MALICE == 1 || count <= 1, ONE_TRADE)
}

inline checkVerdicts(me) {
  j = 1;
  do
  :: j <= OFFERS ->
    i = 1; count = 0; about = 0;
    do
    :: i < SIZE ->
      if :: disk[me].kind[i] == CONFIRM && disk[me].about[i] == j -> count++; about++ :: else fi;
      if :: disk[me].kind[i] == DECLINE && disk[me].about[i] == j -> about++ :: else fi;
      i++
    :: else -> break
    od;
    hold(count <= 1, ONE_CONFIRM_AN_OFFER);
    i = 1; terms = 0;
    do
    :: i <= disk[me].received ->
      if :: VISIBLE[OTHER(me)].kind[i] == ACCEPT && VISIBLE[OTHER(me)].about[i] == j -> terms++ :: else fi;
      i++
    :: else -> break
    od;
    hold(about <= terms, ONE_VERDICT_AN_ACCEPT);
    j++
  :: else -> break
  od;
  j = 0
}

inline forget() { kind = 0; about = 0; terms = 0; i = 0; count = 0 }

inline commit(me) {
  printf("  %c commits\n", 65 + me);
  copy(disk[me], memory[me]);
  isDirty[me] = false;
  checkJournals();
  if
  :: !(MALICE == 1 && me == B) && !(MALICE == 2 && me == A) -> checkVerdicts(me)
  :: else
  fi
}

inline crash(me) {
  printf("%c crashes\n", 65 + me);
  crashes++;
  copy(memory[me], disk[me]);
  isDirty[me] = false;
  owed[me] = 0
}

inline signOffer(me) {
  memory[me].offer++;
  memory[me].slot = LIVE;
  sign(me, OFFER, memory[me].offer, 0)
}

inline signCancel(me) {
#ifdef WITHOUT_CONFIRM_FINAL
  if :: memory[me].slot == TAKEN -> memory[me].trade = 0; memory[me].voided = true :: else fi;
#endif
  memory[me].slot = DEAD;
  sign(me, CANCEL, memory[me].offer, 0)
}

inline signAccept(me) {
  hold(CLOCK(OTHER(me)) <= END, NOT_BOUND_TO_THE_DEAD);
  memory[me].doubt = memory[me].theirs;
  memory[me].accepted = memory[me].theirs;
  memory[me].declined = false;
  memory[me].theirs = 0;
#ifndef WITHOUT_CROSSED
  if :: memory[me].slot == LIVE -> memory[me].slot = DEAD :: else fi;
#endif
  sign(me, ACCEPT, memory[me].doubt, TERMS(OTHER(me), memory[me].doubt))
}

#define IS_OPEN(me) (memory[me].trade == 0 && memory[me].doubt == 0 && memory[me].sent < FREE && !memory[me].voided)
#define MAY_OFFER(me) (IS_OPEN(me) && memory[me].offer < OFFERS && CLOCK(me) <= END && memory[me].slot != LOOKED_AT)
#ifdef WITHOUT_CONFIRM_FINAL
#define MAY_CANCEL(me) (memory[me].sent < FREE && CLOCK(me) <= END && (memory[me].slot == LIVE || memory[me].slot == TAKEN))
#else
#define MAY_CANCEL(me) (memory[me].sent < FREE && CLOCK(me) <= END && memory[me].slot == LIVE)
#endif
#define MAY_ACCEPT(me) (IS_OPEN(me) && memory[me].theirs != 0 && memory[me].slot != LOOKED_AT && IS_ALIVE(me))

/* B, when it is malicious: any Accept at any time. A, when it is: any verdict on anything. */
inline lie(me, what, number, which) { printf("malicious "); sign(me, what, number, which) }

#define HAS_NEXT(me) (memory[me].received < VISIBLE[OTHER(me)].sent)

proctype Trader(byte me) {
end:
  do
  :: d_step { HAS_NEXT(me) && owed[me] == 0 && !(MALICE == 2 && me == A) -> take(me); forget() }
  :: d_step { isDirty[me] -> commit(me); forget() }
  :: d_step { crashes < CRASHES -> crash(me); forget() }
  :: d_step { MAY_OFFER(me) && !(MALICE != 0 && me == B) -> signOffer(me); forget() }
  :: d_step { MAY_CANCEL(me) -> signCancel(me); forget() }
  :: d_step { MAY_ACCEPT(me) && !(MALICE == 1 && me == B) -> signAccept(me); forget() }
#if LOOK > 0
  :: d_step { memory[me].slot == LOOKED_AT && CLOCK(me) <= memory[me].until -> confirm(me, memory[me].offer); forget() }
  :: d_step { IS_UNDECIDED(me) && CLOCK(me) <= memory[me].until ->
      decline(me, memory[me].offer); memory[me].until = 0; memory[me].slot = DEAD; forget() }
  :: d_step { IS_UNDECIDED(me) && CLOCK(me) > memory[me].until ->
      decline(me, memory[me].offer); memory[me].until = 0; memory[me].slot = DEAD; forget() }
  :: d_step { memory[me].doubt != 0 && memory[me].sent < FREE -> sign(me, WITHDRAW, memory[me].doubt, 0); forget() }
#endif
#ifdef WITHOUT_ONE_TRANSACTION
  :: d_step { owed[me] != 0 -> about = owed[me]; owed[me] = 0; judge(me, about); forget() }
#endif
#ifdef WITHOUT_DOUBT_OUTLASTS_THE_CLOCK
  :: d_step { memory[me].doubt != 0 && CLOCK(me) > END + LOOK + SKEW ->
      printf("%c at %d concludes that its Accept came to nothing\n", 65 + me, CLOCK(me));
      memory[me].voided = true; memory[me].doubt = 0; isDirty[me] = true; forget() }
#endif
#ifdef WITHOUT_VERDICT_STANDS
  :: d_step { memory[me].isMine && memory[me].trade != 0 && !memory[me].isSure && CLOCK(me) > END + LOOK ->
      printf("%c at %d voids the trade that was not acknowledged in time\n", 65 + me, CLOCK(me));
      memory[me].voided = true; memory[me].trade = 0; isDirty[me] = true; forget() }
#endif
#if MALICE == 1
  :: d_step { me == B && memory[me].sent < FREE && memory[A].offer > 0 -> lie(me, ACCEPT, 1, TERMS(A, 1)); forget() }
  :: d_step { me == B && memory[me].sent < FREE && memory[A].offer > 0 -> lie(me, ACCEPT, 2, TERMS(A, 2)); forget() }
#endif
#if MALICE == 2
  :: d_step { me == A && memory[me].sent < FREE + 2 -> lie(me, CONFIRM, 1, TERMS(A, 1)); forget() }
  :: d_step { me == A && memory[me].sent < FREE + 2 -> lie(me, CONFIRM, 1, TERMS(A, 2)); forget() }
  :: d_step { me == A && memory[me].sent < FREE + 2 -> lie(me, DECLINE, 1, 0); forget() }
#endif
  od
}

inline checkEnd() {
#if MALICE == 0
  hold(memory[A].doubt == 0 && memory[B].doubt == 0 && memory[A].slot != LOOKED_AT && memory[B].slot != LOOKED_AT, SAME_TRADES);
  hold(memory[A].trade == memory[B].trade || !(memory[A].voided || memory[B].voided), NOT_ONE_SIDED);
  hold(memory[A].trade == memory[B].trade, SAME_TRADES)
#endif
#if MALICE == 1
  hold(memory[A].slot != LOOKED_AT, SAME_TRADES)
#endif
#if MALICE == 2
  /* What A has signed binds it: B holds the one verdict, or proof of two; only A's silence leaves B in doubt. */
  i = 1; about = 0; terms = 0;
  do
  :: i < SIZE ->
    if :: disk[A].kind[i] == CONFIRM && disk[A].about[i] == disk[B].accepted && disk[A].terms[i] == TERMS(A, disk[B].accepted) -> about++ :: else fi;
    if :: disk[A].kind[i] == DECLINE && disk[A].about[i] == disk[B].accepted -> terms++ :: else fi;
    i++
  :: else -> break
  od;
  hold(disk[B].accepted == 0 || memory[B].trade == 0 || about > 0, NOT_ONE_SIDED);
  hold(disk[B].accepted == 0 || memory[B].trade == 0 || !memory[B].declined || memory[B].equivocated, ONE_VERDICT_AN_ACCEPT)
#endif
}

init {
  d_step {
    memory[A].slot = NONE; memory[B].slot = NONE;
    copy(disk[A], memory[A]); copy(disk[B], memory[B]);
    i = 0
  };
  atomic {
    if :: ahead[A] = 0 :: ahead[A] = SKEW fi;
    if :: ahead[B] = 0 :: ahead[B] = SKEW fi;
    run Trader(A); run Trader(B)
  };
  do
  :: d_step { now < TIME -> now++; printf("time %d\n", now) }
  :: timeout -> checkEnd(); break
  od;
endRun: false
}
