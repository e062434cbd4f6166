// Package queue passes messages between processes: bounded queues that any number
// of processes put to and get from, and that lose nothing when one of them dies.
//
// # Getting, and receiving
//
// Get takes a message for good: it is delivered at most once. Receive lends it:
// until Ack it belongs to the queue, and if the process dies, or gives it back by
// Nack, another one gets it. It is delivered at least once, and Delivery.Attempt
// says how often it was. A worker that must not lose a job receives it.
//
//	for d, err := range jobs.Deliveries(ctx) {
//		if err != nil {
//			return err
//		}
//		if err := work(d.Value()); err != nil {
//			d.Nack() // first in line again
//			continue
//		}
//		if err := d.Ack(); err != nil {
//			return err
//		}
//	}
//
// # Order
//
// What one goroutine puts is delivered in that order. What is delivered again
// comes before what was not delivered yet.
//
// # Death
//
// A process may be killed at any instruction. A message that Put, Publish or
// PutFunc was about to put is then there, whole, or not at all; and one that Put
// returned nil for is there. A message that Get was about to take is delivered to
// another process, unless it had been taken already: then it is gone with the
// process that took it. The others do not wait: a place in the queue that a dead
// process had claimed is passed over, room that it was lent comes back.
//
// A process that is merely stopped keeps what it has. If it was stopped in the
// short moment in which a message is copied, others have to wait for it; a
// message that is being built, or that was delivered, nobody waits for. It only
// counts as one of the queue's messages.
//
// # Memory
//
// A message of up to SlotSize bytes always has room when the queue is not full.
// Longer ones share Heap bytes, and putting one waits for room there, too.
// PutFunc and Reserve build a message in the shared memory itself, if T has a
// fixed layout or is a slice of bytes, and GetFunc and Receive lend it there, so
// that a large message need never be copied.
package queue
