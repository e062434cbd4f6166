#include "textflag.h"

#define SYS_write  1
#define SYS_mmap   9

#define BUS_ADRERR 2

#define PROT_READ_WRITE 3
#define ANON_FIXED 0x4032 // MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE

// func faultHandler() uintptr
TEXT ·faultHandler(SB), NOSPLIT, $0-8
	LEAQ ·onFault(SB), AX
	MOVQ AX, ret+0(FP)
	RET

// onFault is the handler of SIGBUS, called by the kernel, not by Go: on the
// signal stack, with the signal in DI, its siginfo in SI, the interrupted
// registers in DX, and the way back on top of the stack. If the address lies in
// guarded memory, it puts zeros there, takes a note, rings the bell and has the
// instruction tried again. Otherwise the handler that was there before gets all
// as it came. It uses no Go and no stack; the kernel restores every register.
TEXT ·onFault(SB), NOSPLIT|NOFRAME, $0
	CMPL 8(SI), $BUS_ADRERR // siginfo.si_code
	JNE  pass
	MOVQ 16(SI), AX         // siginfo.si_addr
	LEAQ ·guards(SB), BX
	MOVQ ·guardsUsed(SB), CX
next:
	SUBQ $1, CX
	JLT  pass
	CMPQ AX, 0(BX)          // guarded.begin
	JCS  other
	CMPQ AX, 8(BX)          // guarded.end
	JCS  mend
other:
	ADDQ $32, BX
	JMP  next

mend:
	MOVQ 16(BX), R15        // guarded.from
	CMPQ AX, R15
	JCC  again              // another thread was faster
	MOVQ DI, R12
	MOVQ SI, R13
	MOVQ DX, R14
	MOVQ AX, DI
	MOVQ ·guardPage(SB), CX
	NEGQ CX
	ANDQ CX, DI             // the page
	MOVQ R15, SI
	SUBQ DI, SI             // and all that follows it, if it was not replaced before
	MOVQ DI, R15
	MOVQ $PROT_READ_WRITE, DX
	MOVQ $ANON_FIXED, R10
	MOVQ $-1, R8
	XORQ R9, R9
	MOVQ $SYS_mmap, AX
	SYSCALL
	CMPQ AX, $-4096
	JHI  fail
	MOVQ R15, 16(BX)        // a race here costs bytes that were lost anyway
	MOVL $1, AX
	XCHGL AX, 24(BX)        // guarded.hit
	MOVQ $1, AX
	LOCK
	XADDQ AX, ·guardHits(SB)
	MOVQ ·guardBell(SB), DI
	LEAQ ·guardRing(SB), SI
	MOVQ $8, DX
	MOVQ $SYS_write, AX
	SYSCALL                 // what can fail is only that it rings already
again:
	RET

fail:
	MOVQ R12, DI
	MOVQ R13, SI
	MOVQ R14, DX
pass:
	MOVQ ·guardNext(SB), AX
	JMP  AX
