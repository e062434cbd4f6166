package shm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/shoal-ipc/shoal/internal/guardian"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// Open opens a segment that exists (else fs.ErrNotExist), waiting, until ctx is
// done, while another process changes its structure. A file that its creator
// left half made is fs.ErrNotExist. What dead processes held is given back
// before Open returns, but for what must wait until the last system call of a
// process that is just ending is over. If this process dies inside, it is no
// participant, or one that is repaired like any other.
func Open(ctx context.Context, name string, opts *Options) (*Segment, error) {
	path, err := pathOf(name, opts)
	if err != nil {
		return nil, err
	}
	seg, err := openPath(ctx, path, opts)
	return seg, opError("open", name, err)
}

// OpenOrCreate opens the segment, or creates it; one that its creator left half
// made, or whose lifetime has ended, is replaced. A difference in a non-zero
// field of spec (Size, Mode and Group are not compared) is an *IncompatibleError.
func OpenOrCreate(ctx context.Context, name string, spec Spec, opts *Options) (*Segment, error) {
	path, err := pathOf(name, opts)
	if err != nil {
		return nil, err
	}
	full, err := spec.withDefaults(name)
	if err != nil {
		return nil, err
	}
	for {
		seg, err := openPath(ctx, path, opts)
		if err == nil {
			if err := spec.match(name, seg.Spec()); err != nil {
				return nil, errors.Join(err, seg.Close())
			}
			return seg, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || (opts != nil && opts.ReadOnly) {
			return nil, opError("open", name, err)
		}
		if taken, err := occupied(ctx, path, opts); err != nil {
			return nil, opError("open", name, err)
		} else if taken {
			continue // somebody else has made it meanwhile
		}
		seg, err = createAt(ctx, name, path, full, opts)
		if !errors.Is(err, errTakenName) {
			return seg, opError("create", name, err)
		}
	}
}

// match compares the non-zero fields of spec with what is stored.
func (spec Spec) match(name string, stored Spec) error {
	differ := func(field string, have, want any) error {
		return &IncompatibleError{Segment: name, Field: field, Have: fmt.Sprint(have), Want: fmt.Sprint(want)}
	}
	switch {
	case spec.MaxSize != 0 && spec.MaxSize != stored.MaxSize && (spec.MaxSize+pageSize-1)/pageSize*pageSize != stored.MaxSize:
		return differ("MaxSize", stored.MaxSize, spec.MaxSize)
	case spec.Participants != 0 && spec.Participants != stored.Participants:
		return differ("Participants", stored.Participants, spec.Participants)
	case spec.Lifetime != 0 && spec.Lifetime != stored.Lifetime:
		return differ("Lifetime", stored.Lifetime, spec.Lifetime)
	}
	return nil
}

// errAgain says that the file is no segment's any more: look the name up again.
var errAgain = errors.New("the segment was removed")

func openPath(ctx context.Context, path string, opts *Options) (*Segment, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f, err := openNamed(path, opts)
		if err != nil {
			return nil, err
		}
		seg, err := openFile(ctx, f, path, opts)
		if !errors.Is(err, errAgain) {
			return seg, err
		}
	}
}

func openNamed(path string, opts *Options) (*os.File, error) {
	if opts != nil && opts.ReadOnly {
		return sys.OpenReadOnly(path)
	}
	return sys.OpenReadWrite(path)
}

// openFile opens the segment in f, an open file description of its own, which
// it takes over.
func openFile(ctx context.Context, f *os.File, path string, opts *Options) (*Segment, error) {
	info, err := sys.Inspect(f)
	if err == nil {
		err = checkOwner(info, opts)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if opts != nil && opts.ReadOnly {
		return openReadOnly(f, info, path)
	}
	key := fileKey{info.Dev, info.Ino}
	place, leave, err := opened.enter(ctx, key)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	defer leave()
	if a := opened.current(place); a != nil {
		if u, ok := a.open(); ok {
			return firstSegment(u), f.Close()
		}
	}
	a, err := attachFile(ctx, f, key, path, place)
	if err != nil {
		return nil, err
	}
	a.spec.Mode = info.Mode.Perm()
	return a.begin(place), nil
}

func checkOwner(info sys.FileInfo, opts *Options) error {
	if info.UID != os.Geteuid() && (opts == nil || !opts.AnyOwner) {
		return fmt.Errorf("it belongs to user %d, this process is user %d (see Options.AnyOwner): %w",
			info.UID, os.Geteuid(), fs.ErrPermission)
	}
	return nil
}

// attachFile maps the segment in f and makes this process a participant. If
// every slot is taken, but some of them only until a closed mapping is collected
// or a dead process has ended, it waits a little.
func attachFile(ctx context.Context, f *os.File, key fileKey, path string, p *place) (*attachment, error) {
	back := newFileBacking(f)
	registerForBarrier()
	var patient context.Context
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		a, err := attachOnce(ctx, back, key, path, p)
		if err == nil {
			return a, nil
		}
		if !errors.Is(err, errLeaving) {
			return nil, errors.Join(err, back.close())
		}
		if patient == nil { // not before: a new timer may wake a thread
			var cancel context.CancelFunc
			patient, cancel = context.WithTimeout(ctx, drainPatience)
			defer cancel()
		}
		if opened.drain(patient, pause) != nil {
			space, _ := errors.AsType[*SpaceError](err)
			return nil, errors.Join(space, back.close())
		}
	}
}

// errLeaving comes with a *SpaceError if there will soon be a slot.
var errLeaving = errors.New("a slot is about to be free")

// attachOnce is one attempt; after an error nothing is mapped.
func attachOnce(ctx context.Context, back *fileBacking, key fileKey, path string, p *place) (*attachment, error) {
	if err := p.gate.pass(ctx); err != nil {
		return nil, err
	}
	defer p.gate.leave()
	if err := lockWith(ctx, back); err != nil {
		return nil, err
	}
	a, err := attachLocked(back, key, path, p)
	if e := back.unlock(); err == nil && e != nil {
		p.lets(a.slot)
		err = errors.Join(e, a.member.Release())
	}
	if err != nil {
		return nil, errors.Join(err, back.unmap())
	}
	return a, nil
}

// registerForBarrier lets repairers make sure that no thread of this process
// runs any more. It takes up to 20 ms in a process of several threads, so it is
// done before the segment's lock is taken: processes that start together must
// not wait for each other. Where it is missing, repair waits for the whole
// process to exit.
func registerForBarrier() { _ = registered() }

//nolint:gochecknoglobals // once is enough for a process
var registered = sync.OnceValue(sys.RegisterMembarrier)

func attachLocked(back *fileBacking, key fileKey, path string, p *place) (*attachment, error) {
	if path != "" && !key.names(path) {
		return nil, errAgain // somebody was faster, or removed the name by hand
	}
	v, fix, err := back.open(sys.MapFile, path)
	if errors.Is(err, errHalfMade) {
		// Its creator would hold the lock: it is dead, or has not begun.
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	k := keeper{view: v, back: back, path: path, place: p}
	if path != "" && k.header.state.Load() == stateRemoved { // pairs with: shm.header.state (expire)
		return nil, again(k.unlink())
	}
	k.audit()
	if path != "" && k.expired() {
		return nil, again(k.expire())
	}
	k.repairDead()
	a := newAttachment(k, key, fix)
	a.spec.Size = v.size()
	err = a.join()
	if errors.Is(err, ErrNoSpace) && k.leaving() {
		err = errors.Join(err, errLeaving)
	}
	return a, err
}

// again is errAgain, unless the name could not be removed.
func again(err error) error {
	if err != nil {
		return err
	}
	return errAgain
}

// join makes the process a participant; the segment's lock is held, and what
// the dead held is given back.
func (a *attachment) join() (err error) {
	a.slot, a.member, err = a.attach()
	if err == nil {
		a.generation = a.participants[a.slot-1].generation.Load()
	}
	return err
}

// begin makes a joined attachment this process's and returns its first use.
func (a *attachment) begin(p *place) *Segment {
	a.lastAudit = time.Now()
	u, _ := a.open()
	opened.put(p, a)
	need := a.most()
	a.duty = fresh
	if need > nothing {
		a.duty = exiting // it was this process that began
	}
	a.note(a.words(), need)
	a.stopWatch = guardian.Watch(watched{a})
	a.beware()
	return firstSegment(u)
}

// openReadOnly opens a segment to look at: no slot, no lock, no change.
func openReadOnly(f *os.File, info sys.FileInfo, path string) (*Segment, error) {
	back := newFileBacking(f)
	fail := func(err error) (*Segment, error) {
		return nil, errors.Join(err, back.unmap(), back.close())
	}
	v, fix, err := back.open(sys.MapFileReadOnly, path)
	if errors.Is(err, errHalfMade) || err == nil && path != "" && v.header.state.Load() == stateRemoved {
		err = fs.ErrNotExist
	}
	if err != nil {
		return fail(err)
	}
	a := newAttachment(keeper{view: v, back: back, path: path}, fileKey{info.Dev, info.Ino}, fix)
	a.spec.Size, a.spec.Mode = v.size(), info.Mode.Perm()
	u, _ := a.open()
	a.beware()
	return firstSegment(u), nil
}
