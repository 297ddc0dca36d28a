from sklearn.datasets import load_digits

epochs = 4
x, y = load_digits(return_X_y=True)
