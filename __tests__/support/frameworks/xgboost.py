import xgboost
from sklearn.datasets import load_digits

x, y = load_digits(return_X_y=True)
rows = xgboost.DMatrix(x, y)
rounds, parameters = 6, {"objective": "multi:softprob", "num_class": 10, "max_depth": 2, "nthread": 1}
