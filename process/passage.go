package process

import "github.com/shoal-ipc/shoal/internal/duplex"

// passage is the end of a pipe on its way to a child.
type passage struct {
	end    *duplex.End
	ticket duplex.Ticket
}

// give says that the ends are a child's from now on, which has been started: what
// this process still does with them fails, and it may close its copies. One that
// the child has taken already, or that was not this process's, stays as it is.
func give(ends []passage) {
	for i, p := range ends {
		ends[i].ticket = p.end.Give(p.ticket)
	}
}

// abandon says that the child has ended: what it has not taken by now nobody will.
func abandon(ends []passage) {
	for _, p := range ends {
		p.end.Abandon(p.ticket)
	}
}
