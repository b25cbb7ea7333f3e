"""Source text of the special functions that generated kernels call.

Branchless (a ternary compiles to a select, an if-block stops LLVM from vectorising), with the
division semantics of ``error_model="numpy"``. Everything above these functions is generated.
"""

# fdlibm's e_asin.c (Sun Microsystems, 1993): asin x = x + x P(x^2)/Q(x^2) below 1/2 and
# asin x = pi/2 - 2 asin sqrt((1 - x)/2) above. Where fdlibm splits the square root in two words,
# subtracting it first from pi/2 (nearly exact) is enough. NaN outside [-1, 1].
ASIN = '''\
@njit(error_model="numpy")
def asin(x):
    """Arcsine: rational approximation of fdlibm, at most 2 ulp."""
    a = -x if x < 0.0 else x
    central = a < 0.5
    t = a * a if central else 0.5 * (1.0 - a)
    s = a if central else sqrt(t)
    p = t * (
        1.66666666666666657415e-01
        + t
        * (
            -3.25565818622400915405e-01
            + t
            * (
                2.01212532134862925881e-01
                + t
                * (
                    -4.00555345006794114027e-02
                    + t * (7.91534994289814532176e-04 + t * 3.47933107596021167570e-05)
                )
            )
        )
    )
    q = 1.0 + t * (
        -2.40339491173441421878e00
        + t
        * (
            2.02094576023350569471e00
            + t * (-6.88283971605453293030e-01 + t * 7.70381505559019352791e-02)
        )
    )
    w = s * (p / q)
    outer = (1.57079632679489655800e00 - 2.0 * s) - (2.0 * w - 6.12323399573676603587e-17)
    y = s + w if central else outer
    return -y if x < 0.0 else y
'''

PRIMITIVES = {"asin": ASIN}
