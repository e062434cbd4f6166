// Package hashmap is a map of a fixed number of entries that many processes read
// without a lock, and that loses nothing when one of them dies.
//
// # Memory
//
// Entries lie in an array and never move. Each bucket begins a chain of entries.
// Buckets are dealt out to stripes, each of which has a lock for those that change
// its chains. An entry has a key, two copies of its value, and the words
//
//	meta   version<<1 | live; the lowest bit of the version chooses the current copy
//	busy   the version that is being written, or was written last
//	owner  0: free, or 1 + the stripe whose chains it is in, or is about to be in
//
// A bucket's word has the index of its first entry and a number that changes with
// every change of the chain. Whoever holds a stripe's lock does:
//
//	store, key is there   busy=v+1; copy[(v+1)&1]=value; meta=v+1,live
//	store, key is new     owner: 0 -> stripe; busy=v+1; key, copy, next=first; bucket=entry; meta=v+1,live
//	delete                busy=v+1; meta=v+1,dead; unlink; bucket changes; owner=0
//
// Each takes effect by its store to meta, and by nothing else: an entry that is
// not live is passed over by all, wherever it is.
//
// # Readers
//
// A reader takes the bucket's word, and walks. An entry whose meta says that it is
// live at version v has the value copy[v&1] until busy is v+2, which is stored
// before that copy, or the key, is written again. So if busy is still v or v+1
// after the key was compared and the value copied, both were those of version v,
// and the key had that value when meta was read, however the reader came there.
// Otherwise the walk begins again.
//
// That a key is not there is true only if no entry of the chain was passed by. An
// entry is free, and may come into another chain, only after its bucket's word has
// changed. So if the word is what it was when the walk began, every entry on the
// way was in the chain all the time, or unlinked with its next still leading back
// into it. Otherwise the walk begins again. After some times in vain the reader
// asks for the lock, as a cell does.
//
// # Deaths
//
//	dies after                          survivors see       outcome
//	taking the lock                     the map as it was   repair frees the lock
//	taking a free entry                 as it was           repair frees the entry
//	busy, or within key or copy         as it was           the next writer fills them again
//	linking the new entry               as it was           repair unlinks and frees it
//	meta, live                          the new value       repair counts it
//	meta, dead                          no such key         repair unlinks and frees it
//	unlinking, or changing the bucket   no such key         repair changes the bucket and frees the entry
//	freeing the entry                   no such key         repair counts it
//
// Repair of a stripe whose lock the dead one holds unlinks what is not live, lets
// every bucket of the stripe change, frees what the stripe owns and does not lead
// to, and counts the rest; then it frees the lock. All of it can be done twice.
//
// Free entries are found by a bitmap, in which a bit says that the entry is taken
// (so zeros are an empty map). It is a hint: the owner decides, by a
// compare-and-swap. The bit of a free entry is 0, except between the store of the
// owner and that of the bit, and repair sets right what a death leaves there. A map
// is full only if all entries were taken at one instant: each stripe counts how often
// one of its became free, and whoever finds none looks again if these have changed.
package hashmap
