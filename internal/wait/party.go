// Package wait is the one ladder for every wait on shared memory: try, spin for
// an adaptive time, yield to the Go scheduler, then sleep on a futex, with a
// context and without a wake call being lost.
package wait

import (
	"sync"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// Party is one user of shared memory whose waits end together: an opened segment.
type Party struct {
	done chan struct{}
	once sync.Once
	// Board, if not empty, is where the party shows other processes what its
	// goroutines sleep on: a sleeper stores the directory index of its object
	// plus one into a word that is zero, and zero when it wakes. Nobody waits
	// for these words; they are for people (shm.Segment.Holds).
	Board []satomic.Uint32
}

// NewParty returns a Party that is open.
func NewParty() *Party { return &Party{done: make(chan struct{})} }

// Done returns a channel that is closed by Close.
func (p *Party) Done() <-chan struct{} { return p.done }

// Close ends every wait of the party with fs.ErrClosed.
func (p *Party) Close() { p.once.Do(func() { close(p.done) }) }
