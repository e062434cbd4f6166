package bare

// Lanes says that there are Put and Get.
const Lanes = true

// Put is Enter with the ring's word putting as b. Inside, if the producer's next slot is
// free and nothing else speaks against it, it goes on: it copies the message from src to
// the slot, publishes it, and leaves, as StoreAndClear does. That is Done. With
// Inside the caller is inside, and nothing was put.
//
//go:noescape
func Put(l *Lane, owner *uintptr, inside *uint32, src *byte) uint32

// Get is Put for the other side: it takes the next message, if it is there, lies in its
// slot, and has the size, to dst, and frees the slot. The ring has no word that says
// that somebody gets.
//
//go:noescape
func Get(l *Lane, owner *uintptr, inside *uint32, dst *byte) uint32
