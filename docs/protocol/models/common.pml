/* What the models share. */

/* A property that must hold here. Its name ends the trace of a run in which it does not. */
inline hold(condition, property) {
  if
  :: (condition)
  :: else -> printf("VIOLATED: %e\n", property); assert(false)
  fi
}
