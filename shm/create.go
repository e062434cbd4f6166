package shm

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/sys"
)

const (
	defaultSize         = 1 << 20
	defaultMaxSize      = 1 << 30
	defaultParticipants = 256
)

// withDefaults returns spec, for a segment of that name, with its zero fields
// filled in; or an error that is fs.ErrInvalid if it is impossible.
func (spec Spec) withDefaults(name string) (Spec, error) {
	invalid := func(field string, value, want any) (Spec, error) {
		return Spec{}, fmt.Errorf("shm: Spec.%s is %v, want %v: %w", field, value, want, fs.ErrInvalid)
	}
	if spec.Participants < 0 || spec.Participants > maxSlots {
		return invalid("Participants", spec.Participants, "0 to 4095")
	}
	if spec.Participants == 0 {
		spec.Participants = defaultParticipants
	}
	if spec.Lifetime > Persistent {
		return invalid("Lifetime", uint8(spec.Lifetime), "LastUser, Owner or Persistent")
	}
	if spec.Lifetime == 0 {
		spec.Lifetime = LastUser
	}
	if spec.Mode&^fs.ModePerm != 0 {
		return invalid("Mode", spec.Mode, "permission bits only")
	}
	if spec.Mode == 0 {
		spec.Mode = 0o600
	}
	if spec.Size < 0 || spec.Size > mostSize {
		return invalid("Size", spec.Size, "0 to 64 TiB")
	}
	if spec.MaxSize < 0 || spec.MaxSize > mostSize {
		return invalid("MaxSize", spec.MaxSize, "0 to 64 TiB")
	}
	if spec.MaxSize > 0 && spec.Size > spec.MaxSize {
		return invalid("Size", spec.Size, fmt.Sprintf("at most MaxSize, %d", spec.MaxSize))
	}
	least := newGeometry(int64(spec.Participants), maxEntries).heapOff
	if spec.MaxSize > 0 && spec.MaxSize < least {
		return Spec{}, &SpaceError{Segment: name, Need: least, Free: spec.MaxSize, Limit: "MaxSize"}
	}
	if spec.Size == 0 {
		spec.Size = defaultSize
		if spec.MaxSize > 0 {
			spec.Size = min(spec.Size, spec.MaxSize)
		}
	}
	spec.Size = mem.Align(max(spec.Size, least), pageSize)
	if spec.MaxSize == 0 {
		spec.MaxSize = max(spec.Size, defaultMaxSize)
	}
	spec.MaxSize = max(mem.Align(spec.MaxSize, pageSize), spec.Size)
	return spec, nil
}

// pageSize is the unit of the sizes that are stored: that of the largest pages
// in use, so that a file can move between machines.
const pageSize = 4096

func (spec Spec) fixed(backend uint32) fixed {
	return fixed{
		slots: int64(spec.Participants), entries: maxEntries,
		maxSize: spec.MaxSize, lifetime: spec.Lifetime, backend: backend,
	}
}

// Create makes a segment; fs.ErrExist if the name is taken by one that has not
// ended. All of spec.Size is allocated now, so that a full file system is a
// *SpaceError here and no fault later. It may wait for a process that is just
// ending an older segment of the name, until ctx is done. On an error, or if
// the process dies inside, nothing is left: others see the segment complete,
// with what Options.Init made in it, or not at all.
func Create(ctx context.Context, name string, spec Spec, opts *Options) (*Segment, error) {
	path, err := pathOf(name, opts)
	if err != nil {
		return nil, err
	}
	spec, err = spec.withDefaults(name)
	if err != nil {
		return nil, err
	}
	if opts != nil && opts.ReadOnly {
		return nil, opError("create", name, errReadOnly)
	}
	for {
		taken, err := occupied(ctx, path, opts)
		if err != nil {
			return nil, opError("create", name, err)
		}
		if taken {
			return nil, opError("create", name, fs.ErrExist)
		}
		seg, err := createAt(ctx, name, path, spec, opts)
		if errors.Is(err, errTakenName) {
			continue
		}
		return seg, opError("create", name, err)
	}
}

// errTakenName says that somebody else was faster.
var errTakenName = errors.New("the name is taken")

// createAt makes the segment's file without a name, complete with this process
// as its first participant, and then names it.
func createAt(ctx context.Context, name, path string, spec Spec, opts *Options) (*Segment, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := sys.TempFile(filepath.Dir(path), spec.Mode)
	if err != nil {
		return nil, err
	}
	if err := giveGroup(f, spec.Group); err != nil {
		return nil, errors.Join(err, sys.Drop(f))
	}
	seg, err := initialize(ctx, f, newIdentity(name), path, spec)
	if err != nil {
		return nil, err
	}
	if opts != nil && opts.Init != nil {
		if err := runInit(opts.Init, seg, f); err != nil {
			return nil, err
		}
	}
	if err := sys.LinkFile(f, path); err != nil {
		_ = abandon(seg, f)
		if errors.Is(err, fs.ErrExist) {
			return nil, errTakenName
		}
		return nil, err
	}
	return seg, nil
}

// runInit runs the caller's Init. If it fails, panics, ends its goroutine or
// closes the segment, that is abandoned.
func runInit(init func(*Segment) error, seg *Segment, f *os.File) (err error) {
	done := false
	defer func() {
		if !done {
			_ = abandon(seg, f)
		}
	}()
	if err := init(seg); err != nil {
		return err
	}
	if seg.u.Load().Closed() {
		return fmt.Errorf("Options.Init closed the segment: %w", fs.ErrClosed)
	}
	done = true
	return nil
}

// abandon ends a segment that never got its name.
func abandon(seg *Segment, f *os.File) error { return errors.Join(sys.Unname(f), seg.Close()) }

func giveGroup(f *os.File, group string) error {
	if group == "" {
		return nil
	}
	gid, err := strconv.Atoi(group)
	if err != nil {
		g, err := user.LookupGroup(group)
		if err != nil {
			return fmt.Errorf("Spec.Group: %w: %w", fs.ErrInvalid, err)
		}
		if gid, err = strconv.Atoi(g.Gid); err != nil {
			return err
		}
	}
	return sys.Chown(f, gid)
}

// Anonymous makes a segment without a name, for children (handles on its objects
// travel in their arguments) and for Send. It ends with the last process that
// has it. It never blocks.
func Anonymous(spec Spec) (*Segment, error) {
	spec, err := spec.withDefaults(anonymousName)
	if err != nil {
		return nil, err
	}
	f, err := sys.Memfd("shoal")
	if err != nil {
		return nil, opError("create", anonymousName, err)
	}
	who := newIdentity("")
	who.name = anonymousName + "-" + hex.EncodeToString(who.id[:4])
	seg, err := initialize(context.Background(), f, who, "", spec)
	return seg, opError("create", anonymousName, err)
}

// anonymousName is what errors call a segment whose name is not known.
const anonymousName = "anonymous"

// initialize makes the empty file f, which it takes over and which will have the
// name path (none: anonymous), a segment, and this process its first participant.
func initialize(ctx context.Context, f *os.File, who identity, path string, spec Spec) (*Segment, error) {
	back := newFileBacking(f)
	backend := uint32(backendNamed)
	if path == "" {
		backend = backendAnonymous
	}
	fail := func(err error) (*Segment, error) {
		return nil, errors.Join(err, back.unmap(), back.close())
	}
	if err := sys.Allocate(f, 0, spec.Size); err != nil {
		return fail(spaceError(err, who.name, f, spec.Size))
	}
	if backend == backendAnonymous {
		if err := sys.SealShrink(f); err != nil {
			return fail(err)
		}
	}
	key, err := keyOf(f)
	if err != nil {
		return fail(err)
	}
	region, err := back.mapAll(spec.MaxSize)
	if err != nil {
		return fail(err)
	}
	fix := spec.fixed(backend)
	v, err := format(region, fix, spec.Size, who, time.Now().UnixNano())
	if err != nil {
		return fail(err)
	}
	v.measure = back.length
	v.header.creatorPID.Store(uint32(os.Getpid()))
	v.header.creatorUID.Store(uint32(os.Getuid()))
	place, leave, err := opened.enter(ctx, key)
	if err != nil {
		return fail(err)
	}
	defer leave()
	a := newAttachment(keeper{view: v, back: back, path: path, place: place}, key, fix)
	a.spec.Size, a.spec.Mode, a.spec.Group = spec.Size, spec.Mode, spec.Group
	registerForBarrier()
	if err := a.join(); err != nil { // without the lock: nobody else can have the file yet
		return fail(err)
	}
	v.header.ownerSlot.Store(a.slot)
	v.header.ownerGeneration.Store(a.generation)
	v.header.ready.Store(readyMark) // commit; pairs with: shm.header.ready (readHeader)
	return a.begin(place), nil
}

func newIdentity(name string) identity {
	who := identity{name: name, boot: self().boot}
	_, _ = rand.Read(who.id[:]) // never fails
	return who
}
