// What a message between two processes costs at least: the system calls, and waking up the other one.
#pragma once

// Sends a message of `byte_count` bytes to another process over TCP on the loopback interface, which sends it back, `count`
// times; both sleep in epoll_wait until it comes. Nanoseconds of each round trip into `times`. 0, or -1 with errno set.
int loopback_round_trips(long count, int byte_count, double *times);

// Hands a wake-up to another thread through an eventfd, which hands one back. As above.
int thread_round_trips(long count, double *times);
