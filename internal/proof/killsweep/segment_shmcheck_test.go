//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/shm"
)

// The state of this stage is what becomes of a second segment: "there", with a
// mutex in it, or "absent".
type segmentWorld struct {
	seg  *shm.Segment
	opts *shm.Options
	text []byte
	file *os.File
	conn *net.UnixConn
}

const secondName = "second"

var secondSpec = shm.Spec{Participants: 8, MaxSize: 16 << 20, Lifetime: shm.Persistent}

// withMutex returns options by which a new segment gets a mutex.
func withMutex(opts *shm.Options) *shm.Options {
	o := *opts
	o.Init = func(seg *shm.Segment) error {
		_, err := lock.CreateMutex(context.Background(), seg, "m", lock.Spec{})
		return err
	}
	return &o
}

func segmentStage() *stage {
	return &stage{
		name: "segment",
		make: func(ctx context.Context, seg *shm.Segment) error {
			_, err := lock.CreateMutex(ctx, seg, "m", lock.Spec{})
			return err
		},
		open:       func(_ context.Context, p place) (world, error) { return &segmentWorld{seg: p.seg, opts: p.opts}, nil },
		operations: slices.Concat(makingOperations(), openingOperations(), lookingOperations()),
	}
}

func makingOperations() []*operation {
	type w = *segmentWorld
	type c = context.Context
	appears := []move{becomes("absent", "there")}
	forOne := secondSpec
	forOne.Lifetime = shm.LastUser
	leaves := quietly(func(ctx c, w w) error {
		_, err := shm.Create(ctx, secondName, forOne, w.opts)
		return err
	})
	return []*operation{
		{
			name: "Create", covers: names("shm.Create"), begin: "absent", moves: appears, bare: true, everywhere: true,
			do: quietly(func(ctx c, w w) error {
				_, err := shm.Create(ctx, secondName, secondSpec, withMutex(w.opts))
				return err
			}),
		},
		{
			name: "Create for one", covers: names("shm.Create"), begin: "absent", moves: []move{stays}, bare: true, everywhere: true, light: true, do: leaves,
		},
		{
			name: "OpenOrCreate creates", covers: names("shm.OpenOrCreate"), begin: "absent", moves: appears, bare: true, everywhere: true, light: true,
			do: quietly(func(ctx c, w w) error {
				_, err := shm.OpenOrCreate(ctx, secondName, secondSpec, withMutex(w.opts))
				return err
			}),
		},
		{
			name: "OpenOrCreate opens", covers: names("shm.OpenOrCreate"), begin: "there", moves: []move{stays}, bare: true, everywhere: true, light: true,
			do: quietly(func(ctx c, w w) error {
				_, err := shm.OpenOrCreate(ctx, secondName, secondSpec, w.opts)
				return err
			}),
		},
		{
			name: "OpenOrCreate replaces", covers: names("shm.OpenOrCreate"), begin: "absent", first: "Create for one",
			moves: appears, bare: true, everywhere: true, light: true,
			do: quietly(func(ctx c, w w) error {
				_, err := shm.OpenOrCreate(ctx, secondName, secondSpec, withMutex(w.opts))
				return err
			}),
		},
		{
			name: "Remove", covers: names("shm.Remove"), begin: "there", moves: []move{becomes("there", "absent")}, bare: true, everywhere: true,
			do: quietly(func(_ c, w w) error { return shm.Remove(secondName, w.opts) }),
		},
		{
			name: "Prune", covers: names("shm.Prune"), begin: "absent", first: "Create for one", moves: []move{stays}, bare: true, everywhere: true,
			do: quietly(func(ctx c, w w) error {
				_, err := shm.Prune(ctx, w.opts)
				return err
			}),
		},
		{
			name: "Anonymous", covers: names("shm.Anonymous"), begin: "absent", moves: []move{stays}, bare: true, everywhere: true,
			do: quietly(func(c, w) error {
				_, err := shm.Anonymous(secondSpec)
				return err
			}),
		},
	}
}

func openingOperations() []*operation {
	type w = *segmentWorld
	type c = context.Context
	locks := prior(func(ctx c, w w) error {
		m, err := lock.OpenMutex(ctx, w.seg, "m")
		if err != nil {
			return err
		}
		return m.Lock(ctx)
	})
	return []*operation{
		{
			name: "Open", covers: names("shm.Open"), begin: "absent", moves: []move{stays}, bare: true, everywhere: true,
			do: quietly(func(ctx c, w w) error {
				_, err := shm.Open(ctx, segmentName, w.opts)
				return err
			}),
		},
		{
			name: "FromFile", covers: names("shm.FromFile"), begin: "absent", moves: []move{stays}, bare: true, everywhere: true, light: true,
			before: prior(func(_ c, w w) (err error) {
				w.file, err = os.OpenFile(filepath.Join(w.opts.Dir, segmentName+".shoal"), os.O_RDWR, 0)
				return err
			}),
			do: quietly(func(ctx c, w w) error {
				_, err := shm.FromFile(ctx, w.file, nil)
				return err
			}),
		},
		{
			name: "Send", covers: names("shm.Segment.Send"), begin: "absent", moves: []move{stays}, light: true,
			before: prior(func(_ c, w w) (err error) {
				w.conn, _, err = pair()
				return err
			}),
			do: quietly(func(ctx c, w w) error { return w.seg.Send(ctx, w.conn) }),
		},
		{
			name: "Receive", covers: names("shm.Receive"), begin: "absent", moves: []move{stays}, everywhere: true, light: true,
			before: prior(func(ctx c, w w) error {
				from, to, err := pair()
				if err != nil {
					return err
				}
				w.conn = to
				return errors.Join(w.seg.Send(ctx, from), w.seg.Close())
			}),
			do: quietly(func(ctx c, w w) error {
				_, err := shm.Receive(ctx, w.conn, nil)
				return err
			}),
		},
		{
			name: "UnmarshalText", covers: names("shm.Segment.UnmarshalText"), begin: "absent", moves: []move{stays}, everywhere: true, light: true,
			before: prior(func(_ c, w w) (err error) {
				w.text, err = w.seg.MarshalText()
				return errors.Join(err, w.seg.Close())
			}),
			do: quietly(func(_ c, w w) error { return new(shm.Segment).UnmarshalText(w.text) }),
		},
		{
			name: "Close", covers: names("shm.Segment.Close"), begin: "absent", moves: []move{stays}, before: locks, everywhere: true,
			do: quietly(func(_ c, w w) error { return w.seg.Close() }),
		},
	}
}

// pair returns both ends of a connection.
func pair() (a, b *net.UnixConn, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		c, err := net.FileConn(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, nil, err
		}
		ends[i], _ = c.(*net.UnixConn)
	}
	return ends[0], ends[1], nil
}

// lookingOperations change nothing.
func lookingOperations() []*operation {
	type w = *segmentWorld
	look := func(name, covers string, do func(ctx context.Context, w w) error) *operation {
		return &operation{name: name, covers: names(covers), begin: "absent", moves: []move{stays}, variant: true, do: quietly(do)}
	}
	deaths := look("Deaths", "shm.Segment.Deaths", func(ctx context.Context, w w) error {
		for _, err := range w.seg.Deaths(ctx) {
			return err
		}
		return nil
	})
	deaths.relief = &relief{
		moves: []move{stays},
		do:    func(ctx context.Context, _ world, h *hand) error { return h.sacrifice(ctx, "Stat") },
	}
	deaths.light = true
	deaths.everywhere = false
	return []*operation{
		deaths,
		look("Stat", "shm.Segment.Stat", func(_ context.Context, w w) error {
			_, err := w.seg.Stat()
			return err
		}),
		look("Participants", "shm.Segment.Participants", func(_ context.Context, w w) error {
			_, err := w.seg.Participants()
			return err
		}),
		look("Objects", "shm.Segment.Objects", func(_ context.Context, w w) error {
			_, err := w.seg.Objects()
			return err
		}),
		look("Holds", "shm.Segment.Holds", func(_ context.Context, w w) error {
			_, err := w.seg.Holds()
			return err
		}),
		look("Check", "shm.Segment.Check", func(_ context.Context, w w) error { return w.seg.Check() }),
		look("List", "shm.List", func(_ context.Context, w w) error {
			_, err := shm.List(w.opts)
			return err
		}),
	}
}

func (w *segmentWorld) begin(ctx context.Context, state string) error {
	if err := shm.Remove(secondName, w.opts); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if state == "absent" {
		return nil
	}
	seg, err := shm.Create(ctx, secondName, secondSpec, withMutex(w.opts))
	if err != nil {
		return err
	}
	return seg.Close()
}

func (w *segmentWorld) state(ctx context.Context) (string, error) {
	if _, err := shm.Prune(ctx, w.opts); err != nil {
		return "", err
	}
	list, err := shm.List(w.opts)
	if err != nil {
		return "", err
	}
	switch {
	case slices.Equal(list, []string{segmentName}):
		return "absent", nil
	case !slices.Equal(list, []string{segmentName, secondName}):
		return "", fmt.Errorf("there are the segments %q", list)
	}
	return "there", w.probe(ctx)
}

// probe uses the second segment.
func (w *segmentWorld) probe(ctx context.Context) error {
	seg, err := shm.Open(ctx, secondName, w.opts)
	if err != nil {
		return err
	}
	err = use(ctx, seg)
	ps, err2 := seg.Participants()
	if len(ps) != 1 {
		err2 = errors.Join(err2, fmt.Errorf("participants are %v", ps))
	}
	return errors.Join(err, err2, seg.Check(), seg.Close())
}

// use uses the mutex of a segment.
func use(ctx context.Context, seg *shm.Segment) error {
	m, err := lock.OpenMutex(ctx, seg, "m")
	if err != nil {
		return err
	}
	nothing := func() error { return nil }
	return errors.Join(m.Recover(ctx, nothing), m.Do(ctx, nothing))
}

func (w *segmentWorld) work(ctx context.Context) error {
	if err := use(ctx, w.seg); err != nil {
		return err
	}
	seg, err := shm.OpenOrCreate(ctx, secondName, secondSpec, withMutex(w.opts))
	if err != nil {
		return err
	}
	return errors.Join(use(ctx, seg), seg.Close(), shm.Remove(secondName, w.opts))
}
