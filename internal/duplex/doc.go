// Package duplex is the pipe: two rings of bytes, one for each direction, between
// two ends that each belong to one process.
//
// # A direction
//
// The writer copies bytes behind writePos and then moves it; the reader copies
// bytes from readPos on and then moves that. The positions only grow, and each side
// remembers the other's, so that it looks only when it seems to be out of bytes or
// room. Whoever finds too little sleeps on a bell (see bell.go).
//
// One mutex orders those that write (pen), another those that read (eye). Nobody
// waits for bytes or room while it has one, so that they are free for the next
// moment but one, and so cost an atomic each. They keep apart goroutines of one
// process, and the old owner of an end and its new one: a copy into the ring must
// not go on while somebody else writes there. A goroutine that has to wait takes
// its turn in its process first (see line.go), and the others queue behind it, so
// that nothing comes between the parts of what it writes.
//
// # Messages
//
// A message is a frame (see frame.go) that is published by one store. One that is
// too long for the ring is announced and follows in parts, and while it is not
// complete the word open says so, and room is left to take it back: whoever has pen
// and finds a message open that it is not sending itself puts a void behind it, and
// the reader throws the beginning away. So an error of Send means that nothing was
// sent, whatever is there already. The reader gathers parts in its own memory, where
// they stay if it is interrupted.
//
// # Ends
//
// The title of an end (see title.go) says whose it is. Every operation looks at it
// with pen or eye held, and changing hands needs both, so nobody touches a ring
// that it has no title to. An end that was closed or lost stays so.
//
//	dies after                           survivors see               outcome
//	taking pen, or copying               nothing new                 the end is lost, pen is free: EOF
//	moving writePos                      the bytes, or the message   EOF behind them; repair rings for it
//	open, before the announcement        nothing new                 EOF
//	the announcement, or a part          a message without its end   io.ErrUnexpectedEOF, then EOF
//	the last part, before open is 0      the message                 EOF behind it
//	a void, before open is 0             nothing                     EOF
//	taking eye, or copying out           nothing read                the end is lost: io.ErrClosedPipe
//	moving readPos                       room                        io.ErrClosedPipe
//	announcing a sleep                   a bell that is awaited      one call of the kernel in vain
//	its step on a bell, before the call  a sleeper                   repair rings every bell
//	taking over, before the title        the end as it was           pen and eye are free: its owner goes on
//	taking over, after the title         its own end                 lost, as above
//	giving away, or before it arrived    an end on its way           lost: repair, or Abandon by who gave it
//	closing, before the title            its own end                 lost: the same to the other end
//	a repairer, anywhere                 some of this                its successor does it again
package duplex
