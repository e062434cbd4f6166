package shm

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"time"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
)

// createObject, openObject and openOrCreateObject are what the packages of the
// objects reach through object.Door.
func (s *Segment) createObject(ctx context.Context, req object.Request) (*object.Use, *object.Object, error) {
	return s.obtain(ctx, req, createOp, (*attachment).create)
}

func (s *Segment) openObject(ctx context.Context, req object.Request) (*object.Use, *object.Object, error) {
	return s.obtain(ctx, req, openOp, (*attachment).openObject)
}

func (s *Segment) openOrCreateObject(ctx context.Context, req object.Request) (*object.Use, *object.Object, error) {
	return s.obtain(ctx, req, openOp, func(a *attachment, ctx context.Context, req object.Request) (*object.Object, error) {
		for { // the lock is free in between: others make and remove the object meanwhile
			obj, err := a.openObject(ctx, req)
			if !errors.Is(err, fs.ErrNotExist) {
				return obj, err
			}
			obj, err = a.create(ctx, req)
			if !errors.Is(err, fs.ErrExist) {
				return obj, err
			}
		}
	})
}

// What errors call the operations on objects.
const (
	createOp = "create object"
	openOp   = "open object"
	removeOp = "remove object"
)

type obtainer func(a *attachment, ctx context.Context, req object.Request) (*object.Object, error)

func (s *Segment) obtain(ctx context.Context, req object.Request, op string, f obtainer) (*object.Use, *object.Object, error) {
	if err := validObjectName(req.Name); err != nil {
		return nil, nil, err
	}
	u, m := s.enter()
	if m == nil {
		return nil, nil, opError(op, req.Name, u.gone())
	}
	defer object.Unpin(m)
	if u.ReadOnly {
		f = (*attachment).lookUp
		if op == createOp {
			return nil, nil, opError(op, req.Name, errReadOnly)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, opError(op, req.Name, err)
	}
	err := u.a.sound()
	var obj *object.Object
	if err == nil {
		obj, err = f(u.a, ctx, req)
	}
	if err == nil && u.Closed() {
		err = u.gone()
	}
	if err != nil {
		return nil, nil, opError(op, req.Name, err)
	}
	return u.Use, obj, nil
}

// openObject opens a live object and notes that this process has it open.
func (a *attachment) openObject(ctx context.Context, req object.Request) (obj *object.Object, err error) {
	err = a.locked(ctx, func() error {
		r, region, err := a.matching(req)
		if err != nil {
			return err
		}
		a.addUser(r.index, a.slot)
		obj = a.localObject(r, region)
		return nil
	})
	return obj, err
}

// lookUp opens an object of a read-only segment: nobody learns of it.
func (a *attachment) lookUp(_ context.Context, req object.Request) (*object.Object, error) {
	r, region, err := a.matching(req)
	if err != nil {
		return nil, err
	}
	return a.localObject(r, region), nil
}

// matching returns the live object of req's name, if it is what req wants.
func (a *attachment) matching(req object.Request) (record, mem.Region, error) {
	r, err := a.find(req.Name)
	if err != nil {
		return r, mem.Region{}, corruptSegment(a.label, err)
	}
	differ := func(field, have, want string) error {
		return &IncompatibleError{Segment: a.label, Object: req.Name, Field: field, Have: have, Want: want}
	}
	if r.kind.ID != req.Kind.ID {
		return r, mem.Region{}, differ("kind", r.kind.Name, req.Kind.Name)
	}
	if req.Match != nil {
		if d := req.Match(r.typ, r.spec); d != nil {
			return r, mem.Region{}, differ(d.Field, d.Have, d.Want)
		}
	}
	region, err := a.objectRegion(r)
	if err == nil {
		_, err = r.kind.Attach(region, a.shape(r))
	}
	return r, region, corruptObject(a.label, r.name, err)
}

// create makes an object. The directory entry's state is the commit: a process
// that dies before leaves nothing.
func (a *attachment) create(ctx context.Context, req object.Request) (obj *object.Object, err error) {
	shape := object.Shape{Spec: req.Spec, Slots: uint32(a.geo.slots)}
	region, err := req.Kind.Size(shape)
	if err != nil {
		return nil, err
	}
	b := blueprint{
		req: req, shape: shape, region: region, pid: os.Getpid(), created: time.Now().UnixNano(),
		size: mem.Align(mem.Align(int64(len(req.Type)), extentAlign)+region, extentAlign),
	}
	if len(req.Type) > maxTypeText || b.size < region {
		return nil, &SpaceError{Segment: a.label, Object: req.Name, Need: region, Free: a.maxSize, Limit: "MaxSize"}
	}
	err = a.locked(ctx, func() error { return a.createLocked(&b) })
	// Removed objects whose handles were dropped, but not collected yet, may have the room.
	for pause := firstPause; errors.Is(err, ErrNoSpace) && a.sweepable() && pause < lastPause; pause *= 2 {
		runtime.GC()
		if err := rest(ctx, pause); err != nil {
			return nil, err
		}
		a.sweep()
		err = a.locked(ctx, func() error { return a.createLocked(&b) })
	}
	if err != nil {
		return nil, err
	}
	return b.made, nil
}

// sweepable reports whether removed objects still take up room.
func (a *attachment) sweepable() bool {
	for i := range a.touched() {
		if uint32(a.entries[i].state.Load()) == entryRemoved {
			return true
		}
	}
	return false
}

func (a *attachment) createLocked(b *blueprint) error {
	switch _, err := a.find(b.req.Name); {
	case err == nil:
		return fs.ErrExist
	case !errors.Is(err, fs.ErrNotExist):
		return corruptSegment(a.label, err)
	}
	a.reclaim()
	index, ok := a.freeEntry()
	if !ok {
		return &SpaceError{Segment: a.label, Object: b.req.Name, Need: 1, Limit: limitEntries}
	}
	off, err := a.room(b.req.Name, b.size)
	if err != nil {
		return err
	}
	b.index, b.off = index, off
	region, err := a.build(*b)
	if err != nil {
		return err
	}
	a.addUser(index, a.slot)
	a.commit(index)
	r, err := a.read(index)
	if err != nil {
		return corruptObject(a.label, b.req.Name, err)
	}
	b.made = a.localObject(r, region)
	return nil
}

// room returns where an extent of size bytes fits, growing the segment if needed.
func (a *attachment) room(object string, size int64) (int64, error) {
	committed := a.size()
	off, end, ok := a.gap(size, committed)
	if ok {
		return off, nil
	}
	need := mem.Align(end+size, pageSize)
	if size > a.maxSize || need > a.maxSize {
		return 0, &SpaceError{Segment: a.label, Object: object, Need: size, Free: a.maxSize - end, Limit: "MaxSize"}
	}
	// Twice the size saves calls; if the file system has not that much, only what is needed.
	to := max(need, min(2*committed, a.maxSize))
	err := a.back.grow(committed, to)
	if err != nil && to > need {
		to = need
		err = a.back.grow(committed, to)
	}
	if err != nil {
		err = spaceError(err, a.label, a.back.descriptor(), need-committed)
		if space, ok := errors.AsType[*SpaceError](err); ok {
			space.Object = object
		}
		return 0, err
	}
	a.header.size.Store(uint64(to)) // commit; pairs with: shm.header.size (size)
	return end, nil
}
