package ring_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"runtime"
	"sync"
	"testing"

	"github.com/shoal-ipc/shoal/internal/ring"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// TestGoroutinesOfAPair has several goroutines of each side of an SPSC queue work
// at once and alone by turns: nothing is lost or comes twice, and each consumer
// gets what one producer put in that order.
func TestGoroutinesOfAPair(t *testing.T) {
	const (
		producers = 3
		consumers = 2
		rounds    = 40
		each      = 100 // a round, of each producer
	)
	b := newBed(t, ring.Spec{Cap: 16, Mode: ring.SPSC})
	p, c := b.port(1), b.port(2)
	put := func(from, n int) error {
		var m [16]byte
		binary.LittleEndian.PutUint64(m[:], uint64(from))
		binary.LittleEndian.PutUint64(m[8:], uint64(n))
		return p.Put(context.Background(), m[:])
	}
	var mu sync.Mutex
	seen := map[[2]uint64]int{}
	var getters sync.WaitGroup
	for range consumers {
		getters.Go(func() {
			last := map[uint64]uint64{}
			for {
				m, err := c.Take(context.Background())
				if errors.Is(err, ring.ErrShutdown) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				data := p.Bytes(m)
				from, n := binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint64(data[8:])
				c.Finish(m)
				if n < last[from] {
					t.Errorf("%d of %d after %d", n, from, last[from])
				}
				last[from] = n
				mu.Lock()
				seen[[2]uint64{from, n}]++
				mu.Unlock()
			}
		})
	}
	for round := range rounds {
		var putters sync.WaitGroup
		for from := range producers {
			if from > 0 && round%2 == 1 {
				continue // one alone
			}
			putters.Go(func() {
				for i := range each {
					if err := put(from, round*each+i); err != nil {
						t.Error(err)
					}
					if i%7 == 0 {
						runtime.Gosched()
					}
				}
			})
		}
		putters.Wait()
	}
	p.Shutdown()
	getters.Wait()
	want := rounds*each + (producers-1)*rounds/2*each
	if len(seen) != want {
		t.Errorf("%d messages came, want %d", len(seen), want)
	}
	for m, n := range seen {
		if n != 1 {
			t.Errorf("%d came %d times", m, n)
		}
	}
	b.checkEmpty()
}

// TestCloseEndsAPair closes a segment while goroutines put and take: the next
// process has the roles, and all that was put is there once.
func TestCloseEndsAPair(t *testing.T) {
	for range 50 {
		b := newBed(t, ring.Spec{Cap: 64, Mode: ring.SPSC})
		p := b.port(1)
		use := b.uses[1]
		var wg sync.WaitGroup
		begun := make(chan struct{}, 2)
		n := make([]int, 2)
		for g := range n {
			wg.Go(func() {
				for i := 0; ; i++ {
					err := p.TryPut([]byte{byte(g), byte(i)})
					if i == 3 {
						begun <- struct{}{}
					}
					if err != nil {
						if !errors.Is(err, fs.ErrClosed) && !errors.Is(err, ring.ErrFull) {
							t.Error(err)
						}
						if i < 3 {
							begun <- struct{}{}
						}
						return
					}
					n[g]++
				}
			})
		}
		<-begun
		<-begun
		use.End()
		b.core.Leave(1)
		wg.Wait() // what one of a crowd has claimed it still puts
		c := b.port(2)
		next := [2]int{}
		for {
			m, err := get(c)
			if err != nil {
				break
			}
			if g := m[0]; int(m[1]) != next[g] {
				t.Fatalf("message %d of %d, want %d", m[1], g, next[g])
			}
			next[m[0]]++
		}
		if next[0] != n[0] || next[1] != n[1] {
			t.Fatalf("%v were put, %v came", n, next)
		}
		mustPut(t, c, "x")
		mustGet(t, c, "x")
		b.checkEmpty()
	}
}

// TestRuns puts and takes runs of slots, around the end of the ring.
func TestRuns(t *testing.T) {
	t.Run("pair", func(t *testing.T) {
		if !sys.Probe().Membarrier {
			t.Skip("no goroutine is alone here, so there are no runs")
		}
		putsRuns(t, newBed(t, ring.Spec{Cap: 5, Mode: ring.SPSC}))
	})
	t.Run("many", func(t *testing.T) { putsRuns(t, newBed(t, ring.Spec{Cap: 5})) })
}

func putsRuns(t *testing.T, b *bed) {
	t.Helper()
	p, c := b.port(1), b.port(2)
	mustPut(t, p, "00") // whoever was successful once is alone
	mustGet(t, c, "00")
	sent, got := 0, 0
	for range 100 {
		for {
			claim, n := p.ClaimRun(3)
			if n == 0 {
				break
			}
			for k := range n {
				copy(p.Inline(ring.Claim{Index: claim.Index + uint32(k)}), []byte{byte(sent), 7})
				sent++
			}
			p.PublishRun(claim, n, 2)
		}
		if _, err := p.TryClaim(); !errors.Is(err, ring.ErrFull) {
			t.Fatal(err)
		}
		for sent > got {
			m, n := c.TakeRun(4, 2)
			if n == 0 {
				t.Fatalf("%d of %d came", got, sent)
			}
			for k := range n {
				one := m
				one.Index += uint32(k)
				if data := c.Bytes(one); data[0] != byte(got) || data[1] != 7 {
					t.Fatalf("got %d, want %d", data, byte(got))
				}
				got++
			}
			c.FinishRun(m, n)
		}
	}
	if sent != 500 {
		t.Errorf("%d were sent", sent)
	}
	b.checkEmpty()
}

// TestRunsOfOtherLengths has messages in the queue that are not as long as those that
// a run is taken of: they come one by one, in their order.
func TestRunsOfOtherLengths(t *testing.T) {
	for _, mode := range []int64{ring.MPMC, ring.SPSC} {
		b := newBed(t, ring.Spec{Cap: 5, Mode: mode})
		p, c := b.port(1), b.port(2)
		mustPut(t, p, "00")
		mustGet(t, c, "00")
		for _, s := range []string{"ab", "long", "cd", "ef"} {
			mustPut(t, p, s)
		}
		if m, n := c.TakeRun(4, 2); n > 1 || n == 1 && string(c.Bytes(m)) != "ab" {
			t.Errorf("mode %d: a run of %d", mode, n)
		} else if n == 1 {
			c.FinishRun(m, n)
		} else {
			mustGet(t, c, "ab")
		}
		if _, n := c.TakeRun(4, 2); n != 0 {
			t.Errorf("mode %d: took %d messages of another length", mode, n)
		}
		for _, s := range []string{"long", "cd", "ef"} {
			mustGet(t, c, s)
		}
		b.checkEmpty()
	}
}

// TestRunsOfManyEnd claims no run once the queue is shut down, nor where a loan
// speaks for a place.
func TestRunsOfManyEnd(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 4})
	p := b.port(1)
	l, err := p.TryReserve(ring.Terms{Size: 2, Lent: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, n := p.ClaimRun(4); n != 0 {
		t.Errorf("claimed %d places, of which one is spoken for", n)
	}
	p.Abandon(l)
	c, n := p.ClaimRun(9)
	if n != 4 {
		t.Fatalf("claimed %d of 4 places", n)
	}
	for k := range n {
		copy(p.Inline(ring.Claim{Index: c.Index + uint32(k)}), []byte{byte(k)})
	}
	p.PublishRun(c, n, 1)
	for k := range n {
		mustGet(t, b.port(2), string([]byte{byte(k)}))
	}
	p.Shutdown()
	if _, n := p.ClaimRun(4); n != 0 {
		t.Errorf("claimed %d places of a queue that was shut down", n)
	}
	b.checkEmpty()
}
