// Package semaphore counts permits that processes share.
//
// A Bounded semaphore limits how many of something are in use at once, over all
// processes. Its permits are held by processes, not by goroutines: when one dies,
// however it dies, what it held is free again at once. Only the process that
// acquired a permit can release it.
//
// A Signal semaphore counts events: one process adds them, another consumes them.
package semaphore
