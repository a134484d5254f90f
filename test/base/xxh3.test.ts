import { expect, test } from 'vitest'
import { xxh3 } from '../../src/base/xxh3.ts'

// What hash4j 0.22, which Kafka uses, gives for so many bytes, the byte at i being i * 31 + (i >> 3) * 7 + 5.
const known: readonly (readonly [length: number, hash: bigint])[] = [
  [0, 0x2d06800538d394c2n],
  [1, 0x929e358d27ae3ee2n],
  [2, 0xf8a9b018ddb0dc1an],
  [3, 0xea4f94f78c69f54en],
  [4, 0xc674aba0605922b7n],
  [7, 0x4d32b9b4d45d9319n],
  [8, 0xad437729e900e521n],
  [9, 0xb85d83781276d7abn],
  [15, 0x5e107e7976312cabn],
  [16, 0xc5ded298af3151c7n],
  [17, 0x45e14bd65b5e9107n],
  [31, 0xe6333c39d6f0bde0n],
  [32, 0x2a4897de2aeeff75n],
  [33, 0xd333ccf4570e2228n],
  [48, 0xbdc1ec3c96830a6en],
  [63, 0x7f7f59665ce09b2fn],
  [64, 0xf0963dfb961217b4n],
  [65, 0x3903b0fc82f7e34dn],
  [96, 0xc10bf72683144c03n],
  [97, 0xadde54ca4bbd75e3n],
  [127, 0xa24924bc0f493e72n],
  [128, 0x855b1b777e8c844en],
  [129, 0x9c5e701dd9fe5483n],
  [130, 0xb7d3931627a72617n],
  [143, 0x53b236b61e41e74en],
  [144, 0xc9847565c41c1ce6n],
  [145, 0x3e9ec7f406b5acecn],
  [200, 0xb95ddadae7ec36d7n],
  [239, 0x845e71abf6cb5f2en],
  [240, 0x5af51bfed2428eb4n],
  [241, 0xe242d43c43fa916dn],
  [255, 0x8116c3801a06e434n],
  [256, 0x0ec6b800581279b8n],
  [257, 0xa96a6d7878e01247n],
  [512, 0xaf9f711f5fdca9bbn],
  [1000, 0x48853bbde6511b19n],
  [1023, 0x2d86b3cb342cb5f9n],
  [1024, 0x439bf522c41f0090n],
  [1025, 0x6391cee501e27749n],
  [1026, 0x78f0e655b18e1be7n],
  [1088, 0xf34ce5a75ebb5fcfn],
  [1089, 0x4e4c34350d90a727n],
  [2047, 0x8d788f1b479f0712n],
  [2048, 0x02195689d9b3b9ddn],
  [2049, 0x18a08bf5baf919b4n],
  [3000, 0x89875c32d1574a65n],
  [5000, 0xdaaeb4f361798cc6n],
]

for (const [length, hash] of known) {
  test(`the hash of ${length} bytes is that of others`, () => {
    const bytes = Uint8Array.from({ length }, (_, at) => at * 31 + (at >> 3) * 7 + 5)
    expect(xxh3(bytes).toString(16)).toBe(hash.toString(16))
  })
}
