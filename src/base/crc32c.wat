;; CRC-32C of what lies in the memory: the source of crc32c-module.ts, which test/tools/build-crc32c.ts makes from it.
;;
;; Memory, 5 pages:      0  the 16 tables of crc32c.ts, written by it once
;;                  16,384  3,344 zeros
;;                  19,728  the input, up to 262,144 bytes; what is here does not outlive a call
;;
;; Tables take a load for each byte. But P, the polynomial, has multiples of few terms: x^209 = x^144 + x^54 + x^39 + x^14 + 1 (mod P).
;; Squaring is linear over GF(2), so the same holds with x^128 for x, that is between units of 16 bytes: a unit can be taken out of the
;; input when it is xor-ed onto those 65, 155, 170, 195 and 209 units behind it. All but the last 209 units go that way, six loads for 16
;; bytes. What is left goes in units of 8 bytes by x^79 = x^75 + x^71 + x^58 + x^18 + x^12 + x + 1, down to some 632 bytes, and those by
;; tables. The register, which is the CRC so far inverted, is xor-ed onto the first four bytes beforehand.

(module
  (memory (export "memory") 5)

  ;; The register after `size` bytes of input, and before them. A shorter input costs more to fold than it saves.
  (func (export "update") (param $register i32) (param $size i32) (result i32)
    (local $at i32) (local $end i32)
    (local.set $at (i32.const 19728))
    (local.set $end (i32.add (local.get $at) (local.get $size)))
    (if (i32.ge_u (local.get $size) (i32.const 1264))
      (then
        (i32.store (local.get $at) (i32.xor (i32.load (local.get $at)) (local.get $register)))
        (local.set $register (i32.const 0))
        (if (i32.ge_u (local.get $size) (i32.const 10240))
          (then (local.set $at (call $foldWide (local.get $at) (local.get $end)))))
        (local.set $at (call $foldNarrow (local.get $at) (local.get $end)))))
    (call $slice (local.get $register) (local.get $at) (local.get $end)))

  ;; Takes all but the last 209 to 212 units of 16 bytes out of [from, end) and gives the place where the rest begins. Each unit collects
  ;; from those before it, four at a time; before the first there are zeros. The distances are above four, so the four do not meet.
  (func $foldWide (param $from i32) (param $end i32) (result i32)
    (local $border i32) (local $far i32)
    (local.set $border
      (i32.add (local.get $from)
        (i32.and (i32.sub (i32.sub (local.get $end) (local.get $from)) (i32.const 3344)) (i32.const -64))))
    (local.set $far (i32.sub (local.get $from) (i32.const 3344)))
    (memory.fill (local.get $far) (i32.const 0) (i32.const 3344))
    (loop $more
      (v128.store offset=3344 align=8 (local.get $far)
        (v128.xor
          (v128.xor
            (v128.load offset=3344 align=8 (local.get $far))
            (v128.xor
              (v128.load offset=2304 align=8 (local.get $far))
              (v128.load offset=864 align=8 (local.get $far))))
          (v128.xor
            (v128.load offset=624 align=8 (local.get $far))
            (v128.xor
              (v128.load offset=224 align=8 (local.get $far))
              (v128.load offset=0 align=8 (local.get $far))))))
      (v128.store offset=3360 align=8 (local.get $far)
        (v128.xor
          (v128.xor
            (v128.load offset=3360 align=8 (local.get $far))
            (v128.xor
              (v128.load offset=2320 align=8 (local.get $far))
              (v128.load offset=880 align=8 (local.get $far))))
          (v128.xor
            (v128.load offset=640 align=8 (local.get $far))
            (v128.xor
              (v128.load offset=240 align=8 (local.get $far))
              (v128.load offset=16 align=8 (local.get $far))))))
      (v128.store offset=3376 align=8 (local.get $far)
        (v128.xor
          (v128.xor
            (v128.load offset=3376 align=8 (local.get $far))
            (v128.xor
              (v128.load offset=2336 align=8 (local.get $far))
              (v128.load offset=896 align=8 (local.get $far))))
          (v128.xor
            (v128.load offset=656 align=8 (local.get $far))
            (v128.xor
              (v128.load offset=256 align=8 (local.get $far))
              (v128.load offset=32 align=8 (local.get $far))))))
      (v128.store offset=3392 align=8 (local.get $far)
        (v128.xor
          (v128.xor
            (v128.load offset=3392 align=8 (local.get $far))
            (v128.xor
              (v128.load offset=2352 align=8 (local.get $far))
              (v128.load offset=912 align=8 (local.get $far))))
          (v128.xor
            (v128.load offset=672 align=8 (local.get $far))
            (v128.xor
              (v128.load offset=272 align=8 (local.get $far))
              (v128.load offset=48 align=8 (local.get $far))))))
      (local.set $far (i32.add (local.get $far) (i32.const 64)))
      (br_if $more (i32.lt_u (local.get $far) (i32.sub (local.get $border) (i32.const 3344)))))
    (call $carry (local.get $border) (i32.const 1040))
    (call $carry (local.get $border) (i32.const 2480))
    (call $carry (local.get $border) (i32.const 2720))
    (call $carry (local.get $border) (i32.const 3120))
    (call $carry (local.get $border) (i32.const 3344))
    (local.get $border))

  ;; The same with units of 8 bytes, all but the last 79 to 82 of them, two to a vector.
  (func $foldNarrow (param $from i32) (param $end i32) (result i32)
    (local $border i32) (local $far i32)
    (local.set $border
      (i32.add (local.get $from)
        (i32.and (i32.sub (i32.sub (local.get $end) (local.get $from)) (i32.const 632)) (i32.const -32))))
    (local.set $far (i32.sub (local.get $from) (i32.const 632)))
    (memory.fill (local.get $far) (i32.const 0) (i32.const 632))
    (loop $more
      (v128.store offset=632 align=8 (local.get $far)
        (v128.xor
          (v128.xor
            (v128.xor
              (v128.load offset=632 align=8 (local.get $far))
              (v128.load offset=600 align=8 (local.get $far)))
            (v128.xor
              (v128.load offset=568 align=8 (local.get $far))
              (v128.load offset=464 align=8 (local.get $far))))
          (v128.xor
            (v128.xor
              (v128.load offset=144 align=8 (local.get $far))
              (v128.load offset=96 align=8 (local.get $far)))
            (v128.xor
              (v128.load offset=8 align=8 (local.get $far))
              (v128.load offset=0 align=8 (local.get $far))))))
      (v128.store offset=648 align=8 (local.get $far)
        (v128.xor
          (v128.xor
            (v128.xor
              (v128.load offset=648 align=8 (local.get $far))
              (v128.load offset=616 align=8 (local.get $far)))
            (v128.xor
              (v128.load offset=584 align=8 (local.get $far))
              (v128.load offset=480 align=8 (local.get $far))))
          (v128.xor
            (v128.xor
              (v128.load offset=160 align=8 (local.get $far))
              (v128.load offset=112 align=8 (local.get $far)))
            (v128.xor
              (v128.load offset=24 align=8 (local.get $far))
              (v128.load offset=16 align=8 (local.get $far))))))
      (local.set $far (i32.add (local.get $far) (i32.const 32)))
      (br_if $more (i32.lt_u (local.get $far) (i32.sub (local.get $border) (i32.const 632)))))
    (call $carry (local.get $border) (i32.const 32))
    (call $carry (local.get $border) (i32.const 64))
    (call $carry (local.get $border) (i32.const 168))
    (call $carry (local.get $border) (i32.const 488))
    (call $carry (local.get $border) (i32.const 536))
    (call $carry (local.get $border) (i32.const 624))
    (call $carry (local.get $border) (i32.const 632))
    (local.get $border))

  ;; The units from the border on collect from those before it only: `distance` bytes of them, of one term.
  (func $carry (param $border i32) (param $distance i32)
    (local $at i32) (local $end i32)
    (local.set $at (local.get $border))
    (local.set $end (i32.add (local.get $at) (i32.and (local.get $distance) (i32.const -16))))
    (loop $more
      (v128.store align=8 (local.get $at)
        (v128.xor
          (v128.load align=8 (local.get $at))
          (v128.load align=8 (i32.sub (local.get $at) (local.get $distance)))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $more (i32.lt_u (local.get $at) (local.get $end))))
    (if (i32.and (local.get $distance) (i32.const 8))
      (then
        (i64.store (local.get $at)
          (i64.xor
            (i64.load (local.get $at))
            (i64.load (i32.sub (local.get $at) (local.get $distance))))))))

  ;; By tables: 16 bytes at a time, then one by one.
  (func $slice (param $register i32) (param $at i32) (param $end i32) (result i32)
    (local $wide i32) (local $w0 i32) (local $w1 i32) (local $w2 i32) (local $w3 i32)
    (local.set $wide (i32.sub (local.get $end) (i32.const 15)))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $at) (local.get $wide)))
        (local.set $w0 (i32.xor (i32.load (local.get $at)) (local.get $register)))
        (local.set $w1 (i32.load offset=4 (local.get $at)))
        (local.set $w2 (i32.load offset=8 (local.get $at)))
        (local.set $w3 (i32.load offset=12 (local.get $at)))
        (local.set $register
          (i32.xor
            (i32.xor
              (i32.xor
                (i32.xor
                  (i32.load offset=15360 (i32.shl (i32.and (local.get $w0) (i32.const 255)) (i32.const 2)))
                  (i32.load offset=14336 (i32.shl (i32.and (i32.shr_u (local.get $w0) (i32.const 8)) (i32.const 255)) (i32.const 2))))
                (i32.xor
                  (i32.load offset=13312 (i32.shl (i32.and (i32.shr_u (local.get $w0) (i32.const 16)) (i32.const 255)) (i32.const 2)))
                  (i32.load offset=12288 (i32.shl (i32.shr_u (local.get $w0) (i32.const 24)) (i32.const 2)))))
              (i32.xor
                (i32.xor
                  (i32.load offset=11264 (i32.shl (i32.and (local.get $w1) (i32.const 255)) (i32.const 2)))
                  (i32.load offset=10240 (i32.shl (i32.and (i32.shr_u (local.get $w1) (i32.const 8)) (i32.const 255)) (i32.const 2))))
                (i32.xor
                  (i32.load offset=9216 (i32.shl (i32.and (i32.shr_u (local.get $w1) (i32.const 16)) (i32.const 255)) (i32.const 2)))
                  (i32.load offset=8192 (i32.shl (i32.shr_u (local.get $w1) (i32.const 24)) (i32.const 2))))))
            (i32.xor
              (i32.xor
                (i32.xor
                  (i32.load offset=7168 (i32.shl (i32.and (local.get $w2) (i32.const 255)) (i32.const 2)))
                  (i32.load offset=6144 (i32.shl (i32.and (i32.shr_u (local.get $w2) (i32.const 8)) (i32.const 255)) (i32.const 2))))
                (i32.xor
                  (i32.load offset=5120 (i32.shl (i32.and (i32.shr_u (local.get $w2) (i32.const 16)) (i32.const 255)) (i32.const 2)))
                  (i32.load offset=4096 (i32.shl (i32.shr_u (local.get $w2) (i32.const 24)) (i32.const 2)))))
              (i32.xor
                (i32.xor
                  (i32.load offset=3072 (i32.shl (i32.and (local.get $w3) (i32.const 255)) (i32.const 2)))
                  (i32.load offset=2048 (i32.shl (i32.and (i32.shr_u (local.get $w3) (i32.const 8)) (i32.const 255)) (i32.const 2))))
                (i32.xor
                  (i32.load offset=1024 (i32.shl (i32.and (i32.shr_u (local.get $w3) (i32.const 16)) (i32.const 255)) (i32.const 2)))
                  (i32.load (i32.shl (i32.shr_u (local.get $w3) (i32.const 24)) (i32.const 2))))))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $more)))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $register
          (i32.xor
            (i32.shr_u (local.get $register) (i32.const 8))
            (i32.load (i32.shl
              (i32.and (i32.xor (local.get $register) (i32.load8_u (local.get $at))) (i32.const 255))
              (i32.const 2)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $more)))
    (local.get $register)))
