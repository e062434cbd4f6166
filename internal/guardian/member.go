package guardian

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// ErrTaken is returned when a slot is not free: its word is not 0, or another
// open file holds its byte.
var ErrTaken = errors.New("guardian: the slot is taken")

// Member is this process's ownership of one slot of one file. It lasts until
// Release or the end of the process, whatever happens to the file.
type Member struct {
	keeper *keeper
	word   *sys.DeathWord
	listed bool // whether the kernel will mark the word
	once   sync.Once
	err    error
}

// Join takes the slot of f whose word lies at wordOff, a multiple of 8, and
// whose byte is byteOff; the byte need not exist. It fails with ErrTaken if the
// slot is not free, and then nothing has changed. f must be open for reading and
// writing; it stays the caller's and may be closed afterwards.
//
// The word becomes a number that is not 0 with Waiters set. When the process has
// died, the word becomes OwnerDied|Waiters and one sleeper on it is woken; a
// process that dies inside of Join has either not taken the word, or it is
// marked. Beyond sys.RobustLimit members of one process, and where the kernel
// has no robust lists, only the byte is freed, and whoever finds it free marks
// the word by Mark.
//
// Join does not wait for other processes. Any goroutine may call it.
func Join(f *os.File, wordOff, byteOff int64) (*Member, error) {
	word, err := mapWithLock(f, wordOff, byteOff)
	if err != nil {
		return nil, err
	}
	m := &Member{keeper: theKeeper(), word: word}
	if !m.claim() {
		return nil, errors.Join(ErrTaken, word.Unmap())
	}
	settle()
	return m, nil
}

// mapWithLock takes the lock of the byte and leaves it to the mapping of the
// word: it cannot leak into children as a descriptor can.
func mapWithLock(f *os.File, wordOff, byteOff int64) (*sys.DeathWord, error) {
	own, err := sys.Reopen(f)
	if err != nil {
		return nil, fmt.Errorf("guardian: %w", err)
	}
	defer func() { _ = own.Close() }()
	locked, err := sys.LockByte(own, byteOff)
	if err != nil {
		return nil, fmt.Errorf("guardian: %w", err)
	}
	if !locked {
		return nil, ErrTaken
	}
	word, err := sys.MapDeathWord(own, wordOff)
	if err != nil {
		return nil, fmt.Errorf("guardian: %w", err)
	}
	return word, nil
}

func (m *Member) claim() bool {
	k := m.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	value := k.id | Waiters
	if k.list == nil || k.list.Len() >= sys.RobustLimit {
		return m.word.Word().CompareAndSwap(0, value)
	}
	m.listed = k.list.Claim(m.word, value)
	return m.listed
}

// Listed reports whether the kernel will mark the word when this process dies.
func (m *Member) Listed() bool { return m.listed }

// Release gives the slot back: the word becomes 0, everybody who sleeps on it is
// woken, and then the byte is freed. It may be called again, by any goroutine,
// and returns the same. A process that dies inside has released the slot or is
// marked.
func (m *Member) Release() error {
	m.once.Do(func() {
		m.keeper.mu.Lock()
		defer m.keeper.mu.Unlock()
		m.unclaim()
		settle() // the kernel follows no pointer to what is unmapped now
		m.err = m.word.Unmap()
	})
	return m.err
}

// Shrunk says that the file has only size bytes left: if the word was beyond,
// nobody can see it any more, and it must not be touched.
func (m *Member) Shrunk(size int64) error {
	m.keeper.mu.Lock()
	defer m.keeper.mu.Unlock()
	if m.word.Word() == nil {
		return nil
	}
	return m.word.Blank(size)
}

// unclaim is called with the keeper's mu held.
func (m *Member) unclaim() {
	if m.listed {
		m.keeper.list.Release(m.word)
		return
	}
	m.word.Word().Store(0)
	sys.FutexWake(satomic.Ptr(m.word.Word()), everyone)
}

// MarkIfGone makes the word of a slot of f say that its owner is dead, if it is
// and nobody has said so yet, and wakes everybody who sleeps on it. It reports
// whether it did. The proof is that it can lock the slot's byte itself: a living
// owner has it, and while the lock is here nobody can become one (Join of the
// slot fails with ErrTaken meanwhile). It waits for nobody, and any number of
// processes may call it at once. f must be open for reading and writing.
func MarkIfGone(f *os.File, word *satomic.Uint32, byteOff int64) (bool, error) {
	if x := word.Load(); x == 0 || Marked(x) {
		return false, nil
	}
	if held, err := sys.ByteHeld(f, byteOff); held || err != nil {
		return false, err // the usual answer, for less
	}
	own, err := sys.Reopen(f)
	if err != nil {
		return false, fmt.Errorf("guardian: %w", err)
	}
	defer func() { _ = own.Close() }()
	locked, err := sys.LockByte(own, byteOff)
	if !locked || err != nil {
		return false, err
	}
	// Read anew: what was there before may have been released since.
	x := word.Load()
	return x != 0 && !Marked(x) && Mark(word, x), nil
}

// Mark makes word, which the caller saw to be seen, say that its owner is dead,
// and wakes everybody who sleeps on it. It reports false, and does nothing, if
// the word has changed. The caller must know that the owner is dead, and that
// nobody has joined since: a process that releases a slot and joins it again
// writes the same number. MarkIfGone knows.
func Mark(word *satomic.Uint32, seen uint32) bool {
	if !word.CompareAndSwap(seen, OwnerDied|Waiters) {
		return false
	}
	sys.FutexWake(satomic.Ptr(word), everyone)
	return true
}
