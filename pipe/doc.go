// Package pipe joins two processes by a duplex connection in shared memory: a
// net.Conn for bytes, and typed messages by Send and Recv.
//
//	a, b, err := pipe.Create(ctx, seg, "talk", pipe.Spec{})
//	child, err := serve.Start(ctx, args{Conn: b})    // b is the child's from now on
//	err = pipe.Send(ctx, a, Question{…})
//	answer, err := pipe.Recv[Answer](ctx, a)
//
// # Whose an end is
//
// A pipe has two ends, and each of them belongs to one process: the one that
// received it last. Both belong to the process that creates the pipe. An end goes
// elsewhere in the arguments of a child (package process), or as a message to any
// process that has the segment open or can open it: its MarshalText names it, and
// UnmarshalText takes it over. The Conn that is left behind fails with fs.ErrClosed
// and needs no Close; closing it does nothing. So the end of a stream cannot go
// missing because some process still has a copy.
//
// # How a stream ends
//
// An end is closed by Close, by the end of its process, however that comes about,
// by Segment.Close, and if the child that it was given to ends before it has taken
// it over. The other end then reads what is there and after that io.EOF, and its
// writes fail with io.ErrClosedPipe. What Write or Send had not yet done when the
// process died is not there: of bytes, a first part is; of messages, none is torn,
// and one that was longer than Spec.Buffer and is there in part is
// io.ErrUnexpectedEOF. Nobody waits for the dead.
//
// # Cost
//
// While both sides are busy nobody calls the kernel: a message is a copy into the
// ring, three atomic operations on shared words, and two on one of the process that
// writes. Memory is 2*Buffer rounded up to a power of two, until the pipe's name is
// removed by Segment.Remove and nobody has it open.
package pipe
