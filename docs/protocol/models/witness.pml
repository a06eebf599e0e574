/*
 * The witness: an offer names a server whose slot decides. docs/protocol/models/README.md, "The witness", has its rules.
 *
 * Modelled. The acceptor A, the owner O and the witness W, which keeps one slot for the offer. A signs an Accept; the Accept
 * carries the write of the slot, and A or O hands it in (LOOK 0, a firm offer), or O writes that it takes the Accept (LOOK 1, a
 * last look). W stamps a write with its clock. From the deadline END on a query of an empty slot closes it. A and O learn from
 * W, and A besides from O's verdict. Every message may be delayed for any time, lost and repeated. W may be down for any time,
 * O may be silent for ever: all doubt must end without it.
 *
 * Bounds. Time 0 ... TIME on W's clock, the only one that counts; two contents of the Accept; MALICE 1: A signs both and
 * writes what and when it likes.
 *
 * Abstracted. W is honest and durable: what it has answered it never forgets. Its signatures, and those of the writes.
 */
#include "common.pml"

#ifndef TIME
#define TIME 3
#endif
#ifndef END
#define END 1
#endif
#ifndef LOOK
#define LOOK 0
#endif
#ifndef MALICE
#define MALICE 0
#endif

mtype = { DOUBT, TRADED, NOT_TRADED };
mtype = {
  ONE_OUTCOME,        /* nobody holds proof of a trade while somebody holds proof that there is none, or of another */
  NOT_AFTER_THE_END,  /* no trade whose write came after the deadline */
  DOUBT_ENDS          /* at the end A is not in doubt, though O has never said a word */
};

#define CLOSED 9
#define DEADLINE (END + LOOK)

byte now;
bool isDown;
byte slot;               /* 0 empty, the content of an Accept, CLOSED */
byte stamp;
bool isAccepted[3];      /* A has signed the Accept of this content */
bool hasArrived[3];      /* O has it */
bool isWriting[3];       /* the write is on its way, or lies about: it may arrive at any time, and again */
mtype outcome[2];        /* of A and O */
byte content[2];         /* and which trade */
bool isConfirmed[3], isDeclined;   /* O's verdicts, on their way to A */

#define A 0
#define O 1

#ifdef WITHOUT_STAMP
#define IS_IN_TIME(time) true
#else
#define IS_IN_TIME(time) (time <= DEADLINE)
#endif

#ifdef WITHOUT_WRITE_ONCE
#define TAKES_WRITES (slot != CLOSED)
#else
#define TAKES_WRITES (slot == 0)
#endif

inline write(what) {
  printf("W at %d writes Accept %d\n", now, what);
  slot = what;
  stamp = now
}

inline conclude(who, what, which) {
  outcome[who] = what;
  content[who] = which;
  printf("%c holds: %e (Accept %d)\n", (who == A -> 65 : 79), what, which);
  hold(what != TRADED || stamp <= DEADLINE, NOT_AFTER_THE_END);
  hold(outcome[A] == DOUBT || outcome[O] == DOUBT || (outcome[A] == outcome[O] && content[A] == content[O]), ONE_OUTCOME)
}
/* W's answer arrives, or the query was as good as not asked. */
inline ask(who) {
  printf("%c asks W at %d\n", (who == A -> 65 : 79), now);
  if
  :: slot != 0 && slot != CLOSED && IS_IN_TIME(stamp) -> conclude(who, TRADED, slot)
  :: slot == CLOSED || (slot != 0 && slot != CLOSED && !IS_IN_TIME(stamp)) -> conclude(who, NOT_TRADED, 0)
  :: slot == 0 && now >= DEADLINE ->
#ifndef WITHOUT_QUERY_CLOSES
    slot = CLOSED;
#endif
    conclude(who, NOT_TRADED, 0)
  :: else   /* empty, and it may still be written */
  fi
}

/* An answer that says nothing yet, or that can change nothing, is not modelled. */
#define MAY_ASK(who) (!isDown && outcome[who] == DOUBT && (now >= DEADLINE || (slot != 0 && slot != CLOSED)))

proctype Acceptor() {
end:
  do
  /* W down: no new Accepts. */
  :: d_step { !isDown && !isAccepted[1] && (!isAccepted[2] || MALICE == 1) && (now <= END || MALICE == 1) ->
      printf("A at %d signs Accept 1\n", now); isAccepted[1] = true; isWriting[1] = (LOOK == 0 && MALICE == 0) }
  :: d_step { MALICE == 1 && !isDown && !isAccepted[2] -> printf("A at %d signs Accept 2\n", now); isAccepted[2] = true }
  :: d_step { MALICE == 1 && LOOK == 0 && isAccepted[1] && !isWriting[1] -> isWriting[1] = true }
  :: d_step { MALICE == 1 && LOOK == 0 && isAccepted[2] && !isWriting[2] -> isWriting[2] = true }
  :: d_step { (isAccepted[1] || isAccepted[2]) && MAY_ASK(A) -> ask(A) }
  :: d_step { outcome[A] == DOUBT && isConfirmed[1] -> printf("O's Confirm arrives. "); conclude(A, TRADED, 1) }
  :: d_step { outcome[A] == DOUBT && isConfirmed[2] -> printf("O's Confirm arrives. "); conclude(A, TRADED, 2) }
  :: d_step { outcome[A] == DOUBT && isDeclined -> printf("O's Decline arrives. "); conclude(A, NOT_TRADED, 0) }
  od
}

inline receive(which) {
  printf("Accept %d arrives at O at %d\n", which, now);
  hasArrived[which] = true;
  if :: LOOK == 0 -> isWriting[which] = true :: else fi   /* it carries the write: O hands it in too */
}

inline lookAt(which) {
  printf("O at %d takes Accept %d in its look and writes that\n", now, which);
  isWriting[which] = true
}

proctype Owner() {
end:
  do
  :: d_step { isAccepted[1] && !hasArrived[1] -> receive(1) }
  :: d_step { isAccepted[2] && !hasArrived[2] -> receive(2) }
  :: d_step { LOOK == 1 && hasArrived[1] && !isWriting[1] && !isWriting[2] -> lookAt(1) }
  :: d_step { LOOK == 1 && hasArrived[2] && !isWriting[1] && !isWriting[2] -> lookAt(2) }
#ifdef WITHOUT_VERDICT_AS_THE_SLOT
  :: d_step { hasArrived[1] && outcome[O] == DOUBT && now <= DEADLINE ->
      printf("O at %d confirms without W. ", now); conclude(O, TRADED, 1) }
#endif
  :: d_step { (hasArrived[1] || hasArrived[2]) && MAY_ASK(O) -> ask(O) }
  /* Its verdict follows the slot, now or later or never. */
  :: d_step { outcome[O] == TRADED && !isConfirmed[content[O]] -> printf("O confirms\n"); isConfirmed[content[O]] = true }
  :: d_step { outcome[O] == NOT_TRADED && !isDeclined -> printf("O declines\n"); isDeclined = true }
  :: d_step { true -> printf("O is silent from now on\n") }; break
  od
}

proctype Witness() {
end:
  do
  :: d_step { !isDown && isWriting[1] && TAKES_WRITES && slot != 1 -> write(1) }
  :: d_step { !isDown && isWriting[2] && TAKES_WRITES && slot != 2 -> write(2) }
  :: d_step { !isDown && now < TIME -> printf("W goes down\n"); isDown = true }
  :: d_step { isDown -> printf("W is up again\n"); isDown = false }
  od
}

init {
  atomic {
    outcome[A] = DOUBT; outcome[O] = DOUBT;
    run Acceptor(); run Owner(); run Witness()
  };
  do
  :: d_step { now < TIME -> now++; printf("time %d\n", now) }
  :: timeout ->
    hold(outcome[A] != DOUBT || (!isAccepted[1] && !isAccepted[2]), DOUBT_ENDS);
    break
  od;
endRun: false
}
