#include "textflag.h"

// func Store64(p *uint64, x uint64)
TEXT ·Store64(SB), NOSPLIT, $0-16
	MOVD p+0(FP), R0
	MOVD x+8(FP), R1
	STLR R1, (R0)
	RET

// func StoreAndClear(p *uint64, x uint64, a, b *uint32)
TEXT ·StoreAndClear(SB), NOSPLIT, $0-32
	MOVD p+0(FP), R0
	MOVD x+8(FP), R1
	MOVD a+16(FP), R2
	MOVD b+24(FP), R3
	STLR  R1, (R0)
	STLRW ZR, (R2)
	STLRW ZR, (R3)
	RET

// func Enter(owner *uintptr, a, b *uint32) uint32
TEXT ·Enter(SB), NOSPLIT, $0-28
	MOVD owner+0(FP), R0
	MOVD (R0), R1
	CMP  g, R1
	BNE  no
	MOVD a+8(FP), R2
	MOVD b+16(FP), R3
	MOVD $1, R4
	MOVW R4, (R2)
	MOVD (R0), R1
	CMP  g, R1
	BNE  lost
	MOVW R4, (R3)
	MOVW R4, ret+24(FP)
	RET
lost:
	STLRW ZR, (R2)
	MOVD $2, R4
	MOVW R4, ret+24(FP)
	RET
no:
	MOVW ZR, ret+24(FP)
	RET

// func StoreEach(p *uint64, stride uintptr, n int, x uint64)
TEXT ·StoreEach(SB), NOSPLIT, $0-32
	MOVD p+0(FP), R0
	MOVD stride+8(FP), R1
	MOVD n+16(FP), R2
	MOVD x+24(FP), R3
again:
	CMP  $0, R2
	BLE  done
	STLR R3, (R0)
	ADD  R1, R0
	SUB  $1, R2
	B    again
done:
	RET

// func CountEach(p *uint64, stride uintptr, n int, x uint64) int
TEXT ·CountEach(SB), NOSPLIT, $0-40
	MOVD p+0(FP), R0
	MOVD stride+8(FP), R1
	MOVD n+16(FP), R2
	MOVD x+24(FP), R3
	MOVD $0, R4
again:
	CMP  R2, R4
	BGE  done
	LDAR (R0), R5
	CMP  R3, R5
	BNE  done
	ADD  R1, R0
	ADD  $1, R4
	B    again
done:
	MOVD R4, ret+32(FP)
	RET

// func Expect(p *byte, n uintptr)
TEXT ·Expect(SB), NOSPLIT, $0-16
	MOVD p+0(FP), R0
	MOVD n+8(FP), R1
	ADD  R0, R1
	AND  $~63, R0
again:
	PRFM (R0), PSTL1KEEP
	ADD  $64, R0
	CMP  R1, R0
	BLO  again
	RET

// func Goroutine() uintptr
TEXT ·Goroutine(SB), NOSPLIT, $0-8
	MOVD g, ret+0(FP)
	RET
