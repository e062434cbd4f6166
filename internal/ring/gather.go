package ring

import (
	"context"
	"time"

	"github.com/shoal-ipc/shoal/internal/wait"
)

// patience is how long a message waits for room in the heap before it is worth
// keeping others away, and how long those others wait at most for its sake.
const patience = time.Millisecond

// waitBlock is lookForBlock, but it waits for room. An error of stop ends the wait.
func (p *Port) waitBlock(ctx context.Context, size int64, stop func() error) (b uint32, err error) {
	if g := p.head.gatherer.Load(); g == 0 || g == p.me {
		if b, err = p.lookForBlock(size); err != ErrFull {
			return b, err
		}
	}
	g := gathering{port: p, size: size, began: time.Now()}
	if p.space.point.Spin(func() bool { b, err = g.polite(); return err != ErrFull }) {
		return b, err
	}
	// Only one goroutine of the process at a time comes here, so the others do not
	// have it wait for pieces that one of them has gathered.
	err = p.queueUp(ctx, &p.space, func() (err error) {
		if err = stop(); err == nil {
			b, err = g.try()
		}
		return err
	})
	g.end()
	return b, err
}

// gathering is one wait for a block. Small messages could take each piece that
// becomes free, for ever, before a large one finds enough of them together. So
// who has waited for its patience gathers: it chooses a place and keeps each
// piece of it that it finds free, until it has them all. One participant gathers
// at a time, or two with half of their pieces each could wait for each other.
// Whoever begins to wait meanwhile leaves what is free alone, but only for a
// moment: whether the gatherer lives is of no importance to it.
type gathering struct {
	port  *Port
	size  int64
	began time.Time

	chief  bool   // this is the gatherer
	first  uint32 // owner word of the first piece of the place
	pieces uint32 // of the place; 0: no place is chosen
	kept   uint32
	fails  int // attempts in a row that found no new piece
}

// stuck is after how many attempts without any progress a gatherer gives up its
// place: somebody may hold a piece of it for ever.
const stuck = 64

// polite takes a block, but not from who gathers.
func (g *gathering) polite() (uint32, error) {
	p := g.port
	if other := p.head.gatherer.Load(); other != 0 && other != p.me && time.Since(g.began) < patience {
		return 0, ErrFull
	}
	return p.lookForBlock(g.size)
}

func (g *gathering) try() (uint32, error) {
	p := g.port
	b, err := g.polite()
	if err != ErrFull || time.Since(g.began) < patience {
		return b, err
	}
	n := uint32((g.size + p.spec.Granule - 1) / p.spec.Granule)
	if n < 2 || n > p.granules {
		return 0, ErrFull
	}
	if !g.chief && !p.head.gatherer.CompareAndSwap(0, p.me) {
		return 0, ErrFull
	}
	g.chief = true
	return g.gather(n)
}

func (g *gathering) gather(n uint32) (uint32, error) {
	if g.fails > stuck {
		g.giveBack()
		g.choose(n, g.first)
	} else if g.pieces == 0 {
		g.choose(n, noPlace)
	}
	p := g.port
	mine := claimOf(owned, 1, gathered, p.me)
	before := g.kept
	for i := g.first; i < g.first+n; i++ {
		if p.owners[i].Load() == 0 && p.owners[i].CompareAndSwap(0, mine) {
			g.kept++
		}
	}
	if g.kept < n {
		g.fails++
		if g.kept > before {
			g.fails = 0
		}
		return 0, ErrFull
	}
	// Whoever dies here owns every piece, whatever its word says by then.
	p.owners[g.first].Store(claimOf(owned, n, 0, p.me))
	for i := g.first + 1; i < g.first+n; i++ {
		p.owners[i].Store(claimOf(rest, 0, 0, g.first))
	}
	g.kept, g.pieces = 0, 0
	return g.first, nil
}

const (
	noPlace  = ^uint32(0)
	gathered = 1 // the tag of pieces that a gatherer keeps; other goroutines of its process own some too
)

// choose decides for the place of n pieces that has the most free ones, but not
// for the one that begins at except.
func (g *gathering) choose(n, except uint32) {
	p := g.port
	best := -1
	for at := uint32(0); at+n <= p.granules; at += n {
		if p.cells+at == except && p.granules >= 2*n {
			continue
		}
		count := 0
		for i := p.cells + at; i < p.cells+at+n; i++ {
			if p.owners[i].Load() == 0 {
				count++
			}
		}
		if count > best {
			best = count
			g.first = p.cells + at
		}
	}
	g.pieces, g.fails = n, 0
}

// giveBack frees the pieces that were kept.
func (g *gathering) giveBack() {
	p := g.port
	mine := claimOf(owned, 1, gathered, p.me)
	for i := g.first; i < g.first+g.pieces && g.kept > 0; i++ {
		if p.owners[i].Load() == mine {
			p.owners[i].Store(0)
		}
	}
	g.kept, g.pieces = 0, 0
	p.head.space.signal(wait.All)
}

// end gives back what was gathered for nothing.
func (g *gathering) end() {
	if !g.chief {
		return
	}
	if g.kept > 0 {
		g.giveBack()
	}
	g.port.head.gatherer.CompareAndSwap(g.port.me, 0)
	g.port.head.space.signal(wait.All)
}
