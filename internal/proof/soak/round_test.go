//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
)

// plan is what one round is to do.
type plan struct {
	Dir      string
	Seed     uint64
	Hazard   hazard
	Children int
	Time     time.Duration
	Fault    string // planted in the children
}

func (p plan) segments() string { return filepath.Join(p.Dir, "segments") }
func (p plan) books() string    { return filepath.Join(p.Dir, "books") }

// result is what a round has done.
type result struct {
	Starts, Kills, OOMs, Stops, Closes, Refusals, Operations, Messages int
}

// round is the process that starts and kills the others.
type round struct {
	plan
	r        *rand.Rand
	seg      *shm.Segment // the first one
	used     map[string]int64
	group    *group
	children []*child
	next     int // number of the next child
	told     atomic.Int64
	result
}

// child is a process that works, in its seat.
type child struct {
	*process.Child
	number int
	out    output
}

// output is what a child has written: a file, which the processes may have open
// that it has started, and that outlive it for a moment.
type output struct{ path string }

func (p plan) output(number int) output {
	return output{filepath.Join(p.books(), fmt.Sprint("output-", number))}
}

func (o output) String() string {
	b, err := os.ReadFile(o.path)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// here runs the round in this process.
func (p plan) here(ctx context.Context) (result, error) {
	d := &round{plan: p, r: rand.New(rand.NewPCG(p.Seed, 0)), used: map[string]int64{}}
	err := d.run(ctx)
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, d.evidence(ctx))
	}
	for _, c := range d.children {
		_ = c.Kill() // at the end there are none
		<-c.Done()
	}
	if d.seg != nil {
		err = errors.Join(err, d.seg.Close())
	}
	if d.group != nil {
		d.OOMs = d.group.killed()
		err = errors.Join(err, d.group.remove())
	}
	return d.result, err
}

func (d *round) run(ctx context.Context) (err error) {
	if d.Hazard == memory {
		if d.group, err = newGroup(); err != nil {
			return err
		}
	}
	if err := d.build(ctx); err != nil {
		return err
	}
	deaths, stop := context.WithCancel(ctx)
	defer stop()
	go d.listen(d.seg.Deaths(deaths))
	for seat := range d.Children {
		if err := d.seat(ctx, seat); err != nil {
			return err
		}
	}
	for end := time.Now().Add(d.Time); time.Now().Before(end) && ctx.Err() == nil; {
		if err := d.strike(ctx); err != nil {
			return err
		}
	}
	if err := d.settle(ctx); err != nil {
		return err
	}
	if err := d.clear(); err != nil {
		return err
	}
	return d.audit(ctx)
}

// build makes the segments and the folders for the books.
func (d *round) build(ctx context.Context) error {
	for _, name := range segments {
		for _, l := range lanes {
			if err := os.MkdirAll(filepath.Join(d.books(), name, l.name), 0o700); err != nil {
				return err
			}
		}
		spec := shm.Spec{Lifetime: shm.Persistent, MaxSize: 64 << 20, Participants: 128}
		seg, err := shm.Create(ctx, name, spec, &shm.Options{
			Dir: d.segments(), Init: func(seg *shm.Segment) error { return createPark(ctx, d.r, seg) },
		})
		if err != nil {
			return err
		}
		stat, err := seg.Stat()
		if err != nil {
			return err
		}
		d.used[name] = stat.Used
		if d.seg == nil {
			d.seg = seg
		} else if err := seg.Close(); err != nil {
			return err
		}
	}
	return nil
}

// listen counts the deaths of which the first segment tells.
func (d *round) listen(deaths func(yield func(shm.Death, error) bool)) {
	for _, err := range deaths {
		if err != nil {
			return
		}
		d.told.Add(1)
	}
}

// seat starts a child in a seat.
func (d *round) seat(ctx context.Context, seat int) error {
	a := args{
		Dir: d.segments(), Books: d.books(), Number: d.next, Seat: seat, Seed: d.r.Uint64(), Hazard: d.Hazard, Fault: d.Fault,
	}
	if d.group != nil {
		a.Group = d.group.dir
	}
	c := &child{number: d.next, out: d.output(d.next)}
	f, err := os.Create(c.out.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil { // see left
		return err
	}
	cmd := works.Command(a)
	cmd.Stdout, cmd.Stderr, cmd.Grace = f, f, 2*watchdog
	start := func() (err error) {
		c.Child, err = cmd.Start(ctx)
		return err
	}
	if d.Hazard == clocks {
		err = withClock(time.Duration(d.r.IntN(20))*24*time.Hour, start)
	} else {
		err = start()
	}
	if err != nil {
		return err
	}
	d.next++
	d.Starts++
	if seat == len(d.children) {
		d.children = append(d.children, c)
	} else {
		d.children[seat] = c
	}
	return nil
}

// left reports whether a process is left of a child: it itself, or a worker that it
// has started. They have its output open, which is locked until all have closed it.
func (d *round) left(number int) (bool, error) {
	f, err := os.Open(d.output(number).path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// strike does something to a child.
func (d *round) strike(ctx context.Context) error {
	d.pause(20)
	for seat, c := range d.children {
		select {
		case <-c.Done(): // the kernel, or it itself, was faster
			if err := d.ended(ctx, seat); err != nil {
				return err
			}
		default:
		}
	}
	seat := d.r.IntN(len(d.children))
	c := d.children[seat]
	switch d.r.IntN(8) {
	case 0, 1, 2:
		return d.stop(c)
	case 3:
		if err := d.stop(c); err != nil {
			return err
		}
		_ = c.Signal(syscall.SIGSTOP) // and is killed as it stands
		d.Stops++
		d.pause(20)
	case 4:
		_ = c.Stop() // what fails is only that it has ended
		return d.ended(ctx, seat)
	}
	_ = c.Kill()
	return d.ended(ctx, seat)
}

// stop stops a child for a while.
func (d *round) stop(c *child) error {
	err := c.Signal(syscall.SIGSTOP)
	d.pause(60)
	err = errors.Join(err, c.Signal(syscall.SIGCONT))
	d.Stops++
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// pause lets the children do something.
func (d *round) pause(most int) { <-time.After(time.Duration(d.r.IntN(most)) * time.Millisecond) }

// ended waits for the end of a child that was told to end, and starts another.
func (d *round) ended(ctx context.Context, seat int) error {
	if err := d.end(d.children[seat]); err != nil {
		return err
	}
	return d.seat(ctx, seat)
}

// end waits for the end of a child.
func (d *round) end(c *child) error {
	select {
	case <-c.Done():
	case <-time.After(watchdog):
		return d.hangs(c, "does not end")
	}
	d.goOn(c)
	err := c.Wait(context.Background())
	var exit *process.ExitError
	if errors.As(err, &exit) && exit.Signal == syscall.SIGKILL {
		d.Kills++
		return nil
	}
	if err != nil {
		return fmt.Errorf("child %d: %w\n%s", c.number, err, c.out)
	}
	return nil
}

// goOn continues the worker that a child had stopped when it died, so that it can
// notice that and end.
func (d *round) goOn(c *child) {
	b, err := os.ReadFile(filepath.Join(d.books(), fmt.Sprint("tally-", c.number)))
	if err != nil || len(b) < tallySize {
		return // it died before it did anything
	}
	if pid := int(number(tally(b).begun(handPools, stopped))); pid != 0 {
		_ = syscall.Kill(pid, syscall.SIGCONT) // it may have ended
	}
}

// hangs makes a child show its goroutines.
func (d *round) hangs(c *child, how string) error {
	_ = c.Signal(syscall.SIGCONT)
	_ = c.Signal(syscall.SIGQUIT)
	select {
	case <-c.Done():
	case <-time.After(watchdog):
	}
	return fmt.Errorf("child %d %s\n%s", c.number, how, c.out)
}
